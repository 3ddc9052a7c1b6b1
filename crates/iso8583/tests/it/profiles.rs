//! Profiles as data: inheritance, and what is refused with which words.

use bursar_iso8583::profile::{MAX_ANCESTORS, builtin_names};
use bursar_iso8583::{EncodeError, Fault, Place, Profile, ProfileError};

use crate::support::builtin;

fn refused(text: &str) -> String {
    match Profile::from_toml(text, |_| None) {
        Ok(profile) => panic!("{} compiles", profile.name()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn built_in_profiles_compile_and_carry_their_names() {
    let names: Vec<_> = builtin_names().collect();
    assert_eq!(names, ["iso87-ascii", "iso87-hexbitmap", "iso87-bcd", "iso87-ebcdic", "iso93"]);
    for (profile, name) in builtin().iter().zip(names) {
        assert_eq!(profile.name(), name);
        assert!(!profile.description().is_empty());
        for field in profile.fields().iter() {
            assert!(!profile.field_name(field).is_empty(), "{name} {field}");
        }
    }
    assert_eq!(Profile::builtin("iso03").err(), Some(ProfileError::Unknown("iso03".to_owned())));
}

#[test]
fn a_partner_inherits_and_changes_key_by_key() {
    let network = "name = \"network\"\nextends = \"iso87-bcd\"\n[fields.63]\nformat = \"ans...100\"\n";
    let partner = "name = \"partner\"\nextends = \"network\"\n[fields.63]\nname = \"Network data\"\n\
                   [fields.2]\nmask = \"all\"\n[fields]\n60 = { absent = true }\n[framing]\nlength = \"ascii\"\nbytes = 4\n";
    let profile = Profile::from_toml(partner, |name| (name == "network").then(|| network.to_owned()))
        .expect("compiles");
    let field = profile.field(63).expect("is there");
    assert_eq!((field.name(), field.to_string().as_str()), ("Network data", "ans...100 ascii"));
    assert_eq!(profile.field(2).map(|field| field.to_string()).as_deref(), Some("n..19 bcd"));
    assert!(profile.field(60).is_none());
    // A framing is a whole: the TPDU of the ancestor is gone.
    assert_eq!(profile.framing(), bursar_iso8583::Framing::ascii(4));
    let mut m = profile.message("0100".parse().expect("is an MTI"));
    m.set(60, "x").expect("sets");
    let undefined = EncodeError { place: Place::Field(60), fault: Fault::Undefined };
    assert_eq!(profile.encode(&m).err(), Some(undefined));
}

#[test]
fn ancestors_are_found_and_counted() {
    assert_eq!(refused("name = \"x\"\nextends = \"nowhere\""), "no profile is named \"nowhere\"");
    let itself = Profile::from_toml("name = \"x\"\nextends = \"x\"", |_| {
        Some("name = \"x\"\nextends = \"x\"".to_owned())
    });
    assert_eq!(itself.err(), Some(ProfileError::TooDeep("x".to_owned())));
    // A chain as long as it may be.
    let chain = |depth: usize| {
        let text = |n: usize| {
            if n == 0 { "name = \"p\"".to_owned() } else { format!("name = \"p\"\nextends = \"{}\"", n - 1) }
        };
        Profile::from_toml(&text(depth), |name| name.parse().ok().map(text))
    };
    assert!(chain(MAX_ANCESTORS).is_ok());
    assert!(chain(MAX_ANCESTORS + 1).is_err());
}

#[test]
fn mistakes_are_named_by_their_key() {
    for (text, words) in [
        ("name = 1", "name"),
        ("x = ", "profile"),
        ("name = \"x\"\nfeilds = 1", "feilds"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n..19\", colour = 1 }", "colour"),
        ("name = \"x\"\n[fields]\n1 = { format = \"b 8\" }", "fields.1"),
        ("name = \"x\"\n[fields]\n193 = { format = \"b 8\" }", "fields.193"),
        ("name = \"x\"\n[fields]\n129 = { format = \"b 8\" }", "bitmap.tertiary"),
        ("name = \"x\"\n[fields]\n2 = { name = \"no format\" }", "fields.2.format"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n 0\" }", "fields.2.format"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n 10000\" }", "fields.2.format"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n..100\" }", "cannot say the longest length"),
        (
            "name = \"x\"\n[fields]\n2 = { format = \"ans..20\", encoding = \"bcd\" }",
            "does not suit class ans",
        ),
        ("name = \"x\"\n[fields]\n2 = { format = \"b..20\", encoding = \"ascii\" }", "does not suit class b"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n..19\", pad = \"middle-0\" }", "fields.2.pad"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n..19\", mask = \"some\" }", "fields.2.mask"),
        ("name = \"x\"\n[fields]\n2 = { format = \"n..19\", length-bytes = 5 }", "fields.2.length-bytes"),
        ("name = \"x\"\n[mti]\nencoding = \"hex\"", "mti.encoding"),
        ("name = \"x\"\n[bitmap]\nencoding = \"bcd\"", "bitmap.encoding"),
        ("name = \"x\"\n[framing]\nlength = \"binary\"\nbytes = 5", "framing.bytes"),
        ("name = \"x\"\n[framing]\nlength = \"binary\"\nbytes = 2\nmax = 70000", "framing.max"),
        ("name = \"x\"\n[framing]\nlength = \"binary\"\nbytes = 2\nreserved = 99", "framing.reserved"),
        ("name = \"x\"\n[roles]\ncvv2 = \"48.92\"", "roles.cvv2"),
        ("name = \"x\"\n[roles]\ncvv2 = \"x\"", "roles.cvv2"),
        (
            "name = \"x\"\nextends = \"iso87-ascii\"\n[fields.60.subfields]\nlayout = \"bitmap\"\nparts = [{ id = \"65\" }]",
            "fields.60.subfields.parts.65",
        ),
        (
            "name = \"x\"\nextends = \"iso87-ascii\"\n[fields.60.subfields]\nlayout = \"positional\"\nprefix = 1",
            "fields.60.subfields",
        ),
        (
            "name = \"x\"\nextends = \"iso87-ascii\"\n[fields.60.subfields]\nlayout = \"tlv\"\n\
             parts = [{ id = \"01\" }, { id = \"01\" }]",
            "is there twice",
        ),
    ] {
        let message = refused(text);
        assert!(message.contains(words), "{words:?} is not in {message:?}\nof {text}");
    }
}
