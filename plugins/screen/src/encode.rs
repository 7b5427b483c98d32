//! Writes a picture as JPEG or PNG; a screen full of text as a PNG of few colours, if it may choose.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::{
    config::Format,
    frame::Frame,
    palette::{self, Few},
    redact::Small,
};

/// A picture of few colours that takes more than a byte for as many pixels is no screen full of text.
const DENSE: usize = 8;
/// How hard is tried to make it small: 4 saves another 6 % and takes a fifth longer.
const INDEXED_LEVEL: u8 = 2;

/// A picture as it is stored.
pub struct Image {
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Its media type.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why a picture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is larger than the format allows.
    #[error("{0}×{1} pixels are more than a JPEG can hold; set format = \"png\"")]
    Large(u32, u32),
    /// JPEG.
    #[error("JPEG: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// PNG.
    #[error("PNG: {0}")]
    Png(#[from] png::EncodingError),
}

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The format.
    pub format: Format,
    /// Of a JPEG.
    pub quality: u8,
}

/// Encodes what redaction left.
pub fn small(picture: &Small, style: Style) -> Result<Image, Error> {
    let pixels = Pixels { width: picture.width, height: picture.height, bytes: &picture.bytes };
    match style.format {
        // It has few pixels, and colour is most of what can be made out.
        Format::Auto | Format::Jpeg => jpeg(&pixels, ColorType::Rgb, SamplingFactor::F_1_1, style.quality),
        Format::Png => png(&pixels, None),
    }
}

/// Encodes a frame as it is.
pub fn whole(frame: Frame, style: Style) -> Result<Image, Error> {
    let (width, height) = (frame.width(), frame.height());
    if style.format == Format::Auto
        && let Some(Few { palette, pixels }) = palette::few(&frame)
    {
        let image = png(&Pixels { width, height, bytes: &pixels }, Some(palette))?;
        if image.bytes.len() * DENSE <= pixels.len() {
            return Ok(image);
        }
    }
    let mut bytes = frame.into_bytes();
    if style.format != Format::Png {
        let pixels = Pixels { width, height, bytes: &bytes };
        return jpeg(&pixels, ColorType::Rgba, SamplingFactor::F_2_2, style.quality);
    }
    // A screen has no transparency; without it the file is smaller.
    for i in 0..width as usize * height as usize {
        bytes.copy_within(i * 4..i * 4 + 3, i * 3);
    }
    bytes.truncate(width as usize * height as usize * 3);
    png(&Pixels { width, height, bytes: &bytes }, None)
}

/// What is encoded, row by row.
struct Pixels<'a> {
    width: u32,
    height: u32,
    bytes: &'a [u8],
}

fn jpeg(
    pixels: &Pixels<'_>,
    color: ColorType,
    sampling: SamplingFactor,
    quality: u8,
) -> Result<Image, Error> {
    let Pixels { width, height, bytes } = *pixels;
    let large = |_| Error::Large(width, height);
    let (w, h) = (u16::try_from(width).map_err(large)?, u16::try_from(height).map_err(large)?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(sampling);
    encoder.encode(bytes, w, h, color)?;
    Ok(Image { width, height, media_type: "image/jpeg", bytes: file })
}

/// Of pixels in red, green and blue, or of their numbers in a palette.
fn png(pixels: &Pixels<'_>, palette: Option<Vec<u8>>) -> Result<Image, Error> {
    let Pixels { width, height, bytes } = *pixels;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    match palette {
        Some(palette) => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette(palette);
            // Numbers of colours beside each other have nothing to do with each other.
            encoder.set_filter(png::Filter::NoFilter);
            encoder.set_deflate_compression(png::DeflateCompression::Level(INDEXED_LEVEL));
        }
        None => {
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_compression(png::Compression::Fast);
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(Image { width, height, media_type: "image/png", bytes: file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Dice, noise};

    #[test]
    fn every_size_decodes_to_the_same_size_and_png_to_the_same_pixels() {
        let mut dice = Dice(7);
        for round in 0..120 {
            let (width, height) = if round < 36 {
                (1 + round % 6, 1 + round / 6)
            } else {
                (1 + dice.below(70), 1 + dice.below(70))
            };
            let frame = noise(&mut dice, width, height);
            let pixels: Vec<u8> =
                frame.rows().flat_map(|row| row.chunks(4)).flat_map(|p| &p[..3]).copied().collect();
            let format = if round % 2 == 0 { Format::Png } else { Format::Jpeg };
            let image = whole(frame, Style { format, quality: 70 }).unwrap();
            let decoded = image::load_from_memory(&image.bytes).unwrap().into_rgb8();
            assert_eq!((decoded.width(), decoded.height()), (width, height));
            if format == Format::Png {
                assert_eq!(decoded.into_raw(), pixels);
            }
        }
    }

    #[test]
    fn few_colours_are_kept_exactly_and_a_photo_of_few_is_a_jpeg_all_the_same() {
        let auto = Style { format: Format::Auto, quality: 70 };
        let mut dice = Dice(13);
        let of = |color: &mut dyn FnMut(u32) -> u8| {
            let bytes = (0..300 * 200).flat_map(|i| [color(i), color(i), 7, 255]).collect();
            Frame::tight(300, 200, bytes).unwrap()
        };
        let stripes = of(&mut |i| (i / 600) as u8);
        let pixels: Vec<u8> = stripes.bytes().chunks(4).flat_map(|p| &p[..3]).copied().collect();
        let image = whole(stripes, auto).unwrap();
        assert_eq!(image.media_type, "image/png");
        assert_eq!(image::load_from_memory(&image.bytes).unwrap().into_rgb8().into_raw(), pixels);
        let grey = of(&mut |_| dice.below(16) as u8);
        assert_eq!(whole(grey, auto).unwrap().media_type, "image/jpeg");
        let small = Small { width: 2, height: 1, bytes: vec![0, 0, 0, 9, 9, 9] };
        assert_eq!(super::small(&small, auto).unwrap().media_type, "image/jpeg");
    }

    #[test]
    fn what_a_jpeg_cannot_hold_is_told_with_what_can() {
        let frame = Frame::tight(70_000, 1, vec![0; 280_000]).unwrap();
        let why = whole(frame, Style { format: Format::Jpeg, quality: 70 }).err().unwrap().to_string();
        assert!(why.contains("70000×1") && why.contains("png"), "{why}");
    }
}
