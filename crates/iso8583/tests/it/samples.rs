//! Messages of our own, written out by hand: they pin the bytes of every shipped profile.

use bursar_iso8583::{Expiry, LocalTime, Message, Profile, TransmissionTime};

use crate::support::{hex, profile};

/// A purchase of 12.50 at a shop, with CVV2.
fn purchase(profile: &Profile) -> Message {
    let mut m = profile.message("0100".parse().expect("is an MTI"));
    let time = LocalTime { hour: 12, minute: 34, second: 56 };
    m.set(2, "4111111111111111").expect("sets");
    m.set(3, "000000").expect("sets");
    m.set_amount(4, 1250).expect("sets");
    m.set_transmission_time(TransmissionTime { month: 6, day: 4, time }).expect("sets");
    m.set(11, "42").expect("sets");
    m.set_expiry(Expiry { year: 29, month: 12 }).expect("sets");
    m.set(22, "051").expect("sets");
    m.set(32, "12345").expect("sets");
    m.set(35, "4111111111111111=2912101").expect("sets");
    m.set(41, "T1").expect("sets");
    profile.set_cvv2(&mut m, "737").expect("sets");
    m.set_code3(49, 978).expect("sets");
    m.set(52, [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]).expect("sets");
    m
}

#[test]
fn each_profile_writes_its_own_bytes() {
    for (name, expected) in [
        (
            "iso87-ascii",
            "30313030 7224040120819000 3136 34313131313131313131313131313131 303030303030 303030303030303031323530 \
             30363034313233343536 303030303432 32393132 303531 3035 3132333435 \
             3234 343131313131313131313131313131313D32393132313031 5431202020202020 303037 39323033373337 393738 \
             0123456789ABCDEF",
        ),
        (
            "iso87-hexbitmap",
            "30313030 37323234303430313230383139303030 3136 34313131313131313131313131313131 303030303030 \
             303030303030303031323530 30363034313233343536 303030303432 32393132 303531 3035 3132333435 \
             3234 343131313131313131313131313131313D32393132313031 5431202020202020 303037 39323033373337 393738 \
             30313233343536373839414243444546",
        ),
        (
            "iso87-bcd",
            "0100 7224040120819000 16 4111111111111111 000000 000000001250 0604123456 000042 2912 0051 05 012345 \
             24 4111111111111111D2912101 5431202020202020 0007 39323033373337 0978 0123456789ABCDEF",
        ),
        (
            "iso87-ebcdic",
            "F0F1F0F0 7224040120819000 F1F6 F4F1F1F1F1F1F1F1F1F1F1F1F1F1F1F1 F0F0F0F0F0F0 F0F0F0F0F0F0F0F0F1F2F5F0 \
             F0F6F0F4F1F2F3F4F5F6 F0F0F0F0F4F2 F2F9F1F2 F0F5F1 F0F5 F1F2F3F4F5 \
             F2F4 F4F1F1F1F1F1F1F1F1F1F1F1F1F1F1F17EF2F9F1F2F1F0F1 E3F1404040404040 F0F0F7 F9F2F0F3F7F3F7 F9F7F8 \
             0123456789ABCDEF",
        ),
    ] {
        let profile = profile(name);
        let encoded = profile.encode(&purchase(&profile)).expect("encodes");
        assert_eq!(hex(&encoded), expected.replace(' ', ""), "{name}");
        let back = profile.decode(&encoded).into_result().expect("decodes");
        assert_eq!(profile.cvv2(&back).as_deref(), Some(&b"737"[..]), "{name}");
        assert_eq!(back.amount(4), Ok(Some(1250)), "{name}");
        assert_eq!(back.terminal_id(), Some("T1"), "{name}");
        assert_eq!(back.text(35), Some("4111111111111111=2912101"), "{name}");
    }
}

#[test]
fn the_table_hides_what_people_must_not_see() {
    let profile = profile("iso87-ascii");
    let mut m = purchase(&profile);
    profile.set_card_password(&mut m, "hunter2!").expect("sets");
    m.set(
        55,
        b"\x5a\x08\x41\x11\x11\x11\x11\x11\x11\x11\x9f\x02\x06\x00\x00\x00\x00\x12\x50\xdf\x01\x02\x03\x04",
    )
    .expect("sets");
    m.set(120, "4111111111111111").expect("sets");
    let table = profile.table(&m).to_string();
    let expected = "\
MTI       authorization request                0100
  2       Primary account number               411111******1111
  3       Processing code                      000000
  4       Amount, transaction                  000000001250
  7       Transmission date and time           0604123456
 11       System trace audit number            42
 14       Date, expiration                     ****
 22       Point-of-service entry mode          051
 32       Acquiring institution id             12345
 35       Track 2 data                         411111******1111********
 41       Card acceptor terminal id            T1
 48       Additional data, private             [19 bytes]
 48.92    CVV2                                 ***
 48.93    Card password block                  ********
 49       Currency, transaction                978
 52       PIN data                             ********
 55       ICC data                             [24 bytes]
 55.5A    Application PAN                      ********
 55.9F02  Amount, authorized                   0x000000001250
 55.DF01                                       [2 bytes]
120       Reserved, private                    [16 bytes]
";
    assert_eq!(table, expected);
}

#[test]
fn subfields_of_every_layout() {
    let text = r#"
        name = "partner"
        extends = "iso87-ascii"
        [fields.60.subfields]
        layout = "positional"
        parts = [
          { id = "kind", format = "n 2" },
          { id = "name", format = "ans..20" },
          { id = "more", format = "ans 3" },
        ]
        [fields.61]
        format = "b...999"
        [fields.61.subfields]
        layout = "tlv"
        tag = "bytes"
        tag-bytes = 1
        length = "binary"
        length-bytes = 1
        parts = [ { id = "0A", format = "n..19", encoding = "bcd", pad = "right-F" }, { id = "0B", format = "b 2" } ]
        [fields.62.subfields]
        layout = "tlv"
        tag-bytes = 2
        length-bytes = 3
        prefix = 1
        [fields.127.subfields]
        layout = "bitmap"
        encoding = "hex"
        parts = [ { id = "2", format = "ans..32" }, { id = "10", format = "n 3", mask = "all" } ]
    "#;
    let profile = Profile::from_toml(text, |_| None).expect("compiles");
    let mut m = profile.message("0200".parse().expect("is an MTI"));
    let set = |m: &mut Message, field, parts: &[(&str, &[u8])]| profile.set_subfields(m, field, parts);
    set(&mut m, 60, &[("kind", b"07"), ("name", b"shop")]).expect("sets");
    set(&mut m, 61, &[("0B", &[1, 2]), ("0A", b"123")]).expect("sets");
    set(&mut m, 62, &[("prefix", b"R"), ("ZZ", b"any")]).expect("sets");
    set(&mut m, 127, &[("10", b"737"), ("2", b"switch")]).expect("sets");
    assert_eq!(m.text(60), Some("0704shop"));
    assert_eq!(m.get(61), Some(&[0x0b, 2, 1, 2, 0x0a, 2, 0x12, 0x3f][..]));
    assert_eq!(m.text(62), Some("RZZ003any"));
    assert_eq!(m.text(127), Some("404000000000000006switch737"));
    for (field, id, value) in [(60, "name", "shop"), (61, "0A", "123"), (62, "ZZ", "any"), (127, "10", "737")]
    {
        let found = profile.subfield(&m, field, id);
        assert_eq!(found.as_deref(), Some(value.as_bytes()), "{field}.{id}");
    }
    assert_eq!(profile.subfield(&m, 60, "more"), None);
    profile.set_subfield(&mut m, 62, "ZZ", "other").expect("sets");
    assert_eq!(m.text(62), Some("RZZ005other"));
    profile.set_subfield(&mut m, 60, "more", "xyz").expect("sets");
    assert_eq!(m.text(60), Some("0704shopxyz"));
    // What does not suit changes nothing.
    let before = m.clone();
    assert!(set(&mut m, 61, &[("0B", &[1])]).is_err());
    assert!(set(&mut m, 60, &[("name", b"shop")]).is_err());
    assert!(set(&mut m, 127, &[("3", b"x")]).is_err());
    assert!(profile.set_subfield(&mut m, 2, "1", "x").is_err());
    assert_eq!(m, before);
    let back = profile.decode(&profile.encode(&m).expect("encodes")).into_result().expect("decodes");
    assert_eq!(back, m);
}

#[test]
fn roles_stand_where_the_profile_says() {
    let text =
        "name = \"p\"\nextends = \"iso87-ascii\"\n[roles]\ncvv2 = \"120\"\ncard-password = \"48.71\"\n";
    let profile = Profile::from_toml(text, |_| None).expect("compiles");
    let mut m = profile.message("0100".parse().expect("is an MTI"));
    assert_eq!(profile.cvv2(&m), None);
    profile.set_cvv2(&mut m, "1234").expect("sets");
    profile.set_card_password(&mut m, "pw").expect("sets");
    assert_eq!((m.text(120), m.text(48)), (Some("1234"), Some("7102pw")));
    assert_eq!(profile.card_password(&m).as_deref(), Some(&b"pw"[..]));
}
