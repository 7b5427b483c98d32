//! Writes a picture as JPEG or PNG.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::{config::Format, frame::Frame, redact::Small};

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
    encode(picture.width, picture.height, &picture.bytes, ColorType::Rgb, style)
}

/// Encodes a frame as it is.
pub fn whole(frame: Frame, style: Style) -> Result<Image, Error> {
    let (width, height) = (frame.width(), frame.height());
    let mut bytes = frame.into_bytes();
    if style.format == Format::Jpeg {
        return encode(width, height, &bytes, ColorType::Rgba, style);
    }
    // A screen has no transparency; without it the file is smaller.
    for i in 0..width as usize * height as usize {
        bytes.copy_within(i * 4..i * 4 + 3, i * 3);
    }
    bytes.truncate(width as usize * height as usize * 3);
    encode(width, height, &bytes, ColorType::Rgb, style)
}

fn encode(width: u32, height: u32, bytes: &[u8], color: ColorType, style: Style) -> Result<Image, Error> {
    let mut file = Vec::new();
    let media_type = match style.format {
        Format::Jpeg => {
            let large = |_| Error::Large(width, height);
            let (w, h) = (u16::try_from(width).map_err(large)?, u16::try_from(height).map_err(large)?);
            let mut encoder = Encoder::new(&mut file, style.quality);
            // What redaction left has few pixels, and colour is most of what can be made out.
            let is_small = color == ColorType::Rgb;
            encoder.set_sampling_factor(if is_small { SamplingFactor::F_1_1 } else { SamplingFactor::F_2_2 });
            encoder.encode(bytes, w, h, color)?;
            "image/jpeg"
        }
        Format::Png => {
            let mut encoder = png::Encoder::new(&mut file, width, height);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_compression(png::Compression::Fast);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(bytes)?;
            writer.finish()?;
            "image/png"
        }
    };
    Ok(Image { width, height, media_type, bytes: file })
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
    fn what_a_jpeg_cannot_hold_is_told_with_what_can() {
        let frame = Frame::tight(70_000, 1, vec![0; 280_000]).unwrap();
        let why = whole(frame, Style { format: Format::Jpeg, quality: 70 }).err().unwrap().to_string();
        assert!(why.contains("70000×1") && why.contains("png"), "{why}");
    }
}
