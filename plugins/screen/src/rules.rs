//! Which windows are never seen.

use crate::{config::Rule, frame::Rect};

/// Password managers and what asks for passwords, by application.
const APPS: &[&str] = &[
    "*keepass*",
    "*bitwarden*",
    "*1password*",
    "*dashlane*",
    "*enpass*",
    "*lastpass*",
    "*nordpass*",
    "*proton*pass*",
    "*roboform*",
    "*buttercup*",
    "*passwordsafe*",
    "*pwsafe*",
    "*gnome-passwordsafe*",
    "*seahorse*",
    "*kwallet*",
    "*qtpass*",
    "*pinentry*",
    "*gcr-prompter*",
    "*ssh-askpass*",
    "*authenticator*",
    "*polkit*agent*",
];

/// Private browsing as browsers write it, and password managers that live in one, by title.
const TITLES: &[&str] = &[
    "*private browsing*",
    "*inprivate*",
    "*incognito*",
    "*(private)*",
    "*privater modus*",
    "*privates surfen*",
    "*inkognito*",
    "*navigation privée*",
    "*navegación privada*",
    "*incógnito*",
    "*navigazione anonima*",
    "*in incognito*",
    "*navegação privada*",
    "*navegação privativa*",
    "*privénavigatie*",
    "*tryb prywatny*",
    "*prywatne przeglądanie*",
    "*приватный просмотр*",
    "*инкогнито*",
    "*プライベートブラウジング*",
    "*隐私浏览*",
    "*bitwarden*",
    "*1password*",
];

/// A window as rules see it. Its names never leave this plugin, not even in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Window {
    /// Distinguishes it from others of the same screen.
    pub id: u32,
    /// What it calls its application.
    pub apps: Vec<String>,
    /// Its titles.
    pub titles: Vec<String>,
    /// Where it is, decoration included, in pixels of the desktop.
    pub area: Rect,
}

/// One rule, ready to match.
#[derive(Clone, Debug)]
pub struct Pattern {
    app: Option<String>,
    title: Option<String>,
}

impl Pattern {
    /// Checks a rule; the text says what is wrong with it.
    pub fn new(rule: &Rule) -> Result<Self, String> {
        if rule.app.is_none() && rule.title.is_none() {
            return Err("exclude: a rule needs app, title or both".to_owned());
        }
        let lower = |text: &Option<String>, name| match text.as_deref().map(str::trim) {
            Some("") => Err(format!("exclude: {name} is empty; write what to match, * stands for any text")),
            text => Ok(text.map(str::to_lowercase)),
        };
        Ok(Self { app: lower(&rule.app, "app")?, title: lower(&rule.title, "title")? })
    }

    fn matches(&self, window: &Window) -> bool {
        let any = |pattern: &Option<String>, names: &[String]| {
            pattern
                .as_ref()
                .is_none_or(|pattern| names.iter().any(|name| glob(pattern, &name.to_lowercase())))
        };
        any(&self.app, &window.apps) && any(&self.title, &window.titles)
    }
}

/// The person's own rules and those that come built in.
#[derive(Clone, Debug)]
pub struct Rules {
    all: Vec<Pattern>,
    own: usize,
}

impl Rules {
    /// Own rules, and the built-in ones.
    pub fn new(own: Vec<Pattern>) -> Self {
        let count = own.len();
        let app = |text: &&str| Pattern { app: Some((*text).to_owned()), title: None };
        let title = |text: &&str| Pattern { app: None, title: Some((*text).to_owned()) };
        let all = own.into_iter().chain(APPS.iter().map(app)).chain(TITLES.iter().map(title)).collect();
        Self { all, own: count }
    }

    /// Whether the config has rules of its own.
    pub fn has_own(&self) -> bool {
        self.own > 0
    }

    /// The windows that are not to be seen.
    pub fn hidden<'w>(&self, windows: &'w [Window]) -> impl Iterator<Item = &'w Window> {
        windows.iter().filter(|window| self.all.iter().any(|pattern| pattern.matches(window)))
    }
}

/// Matches the whole text; `*` stands for any text, `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on when a later part doesn't fit: the last star, and how much of the text it takes.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(app: &str, title: &str) -> Window {
        let area = Rect { x: 0, y: 0, width: 1, height: 1 };
        Window { id: 1, apps: vec![app.to_owned()], titles: vec![title.to_owned()], area }
    }

    #[test]
    fn a_glob_matches_the_whole_text() {
        for (pattern, text, matches) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("*b*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c*e", "abcdce", true),
            ("a?c", "abc", true),
            ("?", "", false),
            ("*ab", "aab", true),
            ("[a", "[a", true),
            ("**", "x", true),
            ("é*", "école", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn password_managers_and_private_windows_are_hidden_without_any_rule() {
        let rules = Rules::new(Vec::new());
        for (app, title) in [
            ("KeePassXC", "Passwords.kdbx - KeePassXC"),
            ("org.keepassxc.KeePassXC", ""),
            ("firefox", "Bank — Mozilla Firefox Private Browsing"),
            ("Google-chrome", "Bank - Google Chrome (Incognito)"),
            ("Microsoft-edge", "Bank - [InPrivate] - Microsoft Edge"),
            ("firefox", "Banque — Navigation privée de Mozilla Firefox"),
            ("pinentry-gtk-2", ""),
        ] {
            assert_eq!(rules.hidden(&[window(app, title)]).count(), 1, "{app} {title}");
        }
        assert_eq!(rules.hidden(&[window("XTerm", "notes")]).count(), 0);
    }

    #[test]
    fn a_rule_with_app_and_title_needs_both() {
        let rule = Rule { app: Some("XTERM".to_owned()), title: Some("*secret*".to_owned()) };
        let rules = Rules::new(vec![Pattern::new(&rule).unwrap()]);
        assert!(rules.has_own());
        assert_eq!(rules.hidden(&[window("xterm", "My Secret plan")]).count(), 1);
        assert_eq!(rules.hidden(&[window("xterm", "plan"), window("emacs", "secret")]).count(), 0);
    }
}
