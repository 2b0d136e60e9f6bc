use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use floatingip_core::owner::{App, Owner, Pod, Slot, Tenant};
use floatingip_core::plan::Event;
use floatingip_core::record::{Attachment, Mark, MarkKind, PlanId};
use floatingip_core::{Name, ReleasePolicy, WallTime};
use proptest::prelude::*;

use super::*;

fn plan() -> PlanId {
    PlanId {
        incarnation: 0xabcd,
        serial: 7,
    }
}

fn tenant() -> Tenant {
    Tenant {
        namespace: "ns".into(),
        app: Some(App {
            group: "apps".into(),
            kind: "statefulset".into(),
            name: "web".into(),
            uid: Some("u-app".into()),
        }),
        slot: Slot::Ordinal(3),
        pool: Some("blue".parse().unwrap()),
        pod: Some(Pod {
            name: "web-3".into(),
            uid: "u-pod".into(),
            node: "n1".into(),
        }),
    }
}

/// A record with every field filled.
fn full() -> Record {
    Record {
        owner: Owner::Slot(tenant()),
        policy: ReleasePolicy::Never,
        updated_at: WallTime::from_nanos(1_700_000_000_000_000_000),
        mark: Some(Mark {
            kind: MarkKind::Rest,
            reason: "node lost".to_owned(),
            mac: Some("02:00:00:00:00:01".to_owned()),
            node: Some("n1".into()),
            until: WallTime::from_nanos(1_700_000_600_000_000_000),
            lasts: Duration::new(600, 5),
        }),
        attachment: Some(Attachment {
            node: "n1".into(),
            network: "net".into(),
            container: "c0ffee".into(),
            interface: "eth0".into(),
        }),
        plan: Some(plan()),
    }
}

fn bare(owner: Owner) -> Record {
    Record {
        owner,
        policy: ReleasePolicy::PodDelete,
        updated_at: WallTime::default(),
        mark: None,
        attachment: None,
        plan: None,
    }
}

fn key(ip: &str) -> AddressKey {
    address_key(ip.parse().unwrap())
}

fn read_back(key: &AddressKey, bytes: &[u8]) -> Result<(Version, Record), FormatError> {
    let value = address_value(key, bytes)?;
    Ok((value.version(), value.record(&mut Names::default())?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// These bytes stand in users' files. If this turns red, add a format; do not change the bytes.
#[test]
fn format_one_is_pinned_byte_for_byte() {
    let at = key("10.0.0.2");
    let full = address_bytes(&at, Version(300), &full()).unwrap();
    let nobody = address_bytes(&at, Version(1), &bare(Owner::Nobody)).unwrap();
    let reserve = bare(Owner::Pool("blue".parse().unwrap()));
    let reserve = address_bytes(&at, Version(1), &reserve).unwrap();
    let admin = bare(Owner::Administrator("ops".into()));
    let admin = address_bytes(&at, Version(1), &admin).unwrap();
    let pool = PoolRecord {
        size: 70_000,
        pre_allocate: true,
        owed: false,
        plan: Some(plan()),
    };
    let pool = pool_bytes(&"blue".parse().unwrap(), Version(2), &pool).unwrap();
    let entry = Entry {
        at: WallTime::from_nanos(1),
        event: Event::PreAllocate,
        from: None,
        to: Some(Owner::Nobody),
    };
    let entry = entry_bytes(&at, &entry).unwrap();
    let document = document_bytes("config", "[]").unwrap();
    let golden = include_str!("golden.txt")
        .lines()
        .filter(|l| !l.starts_with('#'));
    let written = [full, nobody, reserve, admin, pool, entry, document];
    assert_eq!(
        golden.collect::<Vec<_>>(),
        written.iter().map(|bytes| hex(bytes)).collect::<Vec<_>>()
    );
}

/// The order of variants is part of the format too.
#[test]
fn the_numbers_of_slots_are_pinned() {
    let slots = [
        Slot::Any,
        Slot::Ordinal(0),
        Slot::Node("x".into()),
        Slot::Pod("x".into()),
        Slot::Once("x".into()),
    ];
    for (number, slot) in slots.into_iter().enumerate() {
        let tenant = Tenant {
            namespace: Name::default(),
            app: None,
            slot,
            pool: None,
            pod: None,
        };
        let bytes = address_bytes(&key("::"), Version(0), &bare(Owner::Slot(tenant))).unwrap();
        // Format, version, plan, policy, time, owner's number, namespace's length, app.
        assert_eq!(usize::from(bytes[8]), number);
    }
}

#[test]
fn every_event_of_the_journal_survives() {
    let events = [
        Event::Allocate,
        Event::Reserve,
        Event::Release,
        Event::PreAllocate,
        Event::AdminReserve,
        Event::Quarantine,
        Event::Rest,
        Event::Lift,
        Event::Restore,
        Event::Attach,
    ];
    for event in events {
        let entry = Entry {
            at: WallTime::from_nanos(u64::MAX),
            event,
            from: Some(Owner::Slot(tenant())),
            to: None,
        };
        let bytes = entry_bytes(&key("10.0.0.2"), &entry).unwrap();
        let value = entry_value(&key("10.0.0.2"), &bytes).unwrap();
        assert_eq!(value.entry(&mut Names::default()), Ok(entry));
    }
}

#[test]
fn any_flipped_bit_and_any_cut_is_noticed() {
    let at = key("10.0.0.2");
    let bytes = address_bytes(&at, Version(300), &full()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut spoilt = bytes.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read_back(&at, &spoilt), Err(FormatError::Checksum), "{bit}");
    }
    for end in 0..bytes.len() {
        assert_eq!(read_back(&at, &bytes[..end]), Err(FormatError::Checksum));
    }
}

#[test]
fn a_value_under_another_key_is_noticed() {
    let bytes = address_bytes(&key("10.0.0.2"), Version(1), &full()).unwrap();
    assert_eq!(
        read_back(&key("10.0.0.3"), &bytes),
        Err(FormatError::Checksum)
    );
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let at = key("10.0.0.2");
    let mut bytes = vec![VALUE_FORMAT + 1, 1, 2, 3];
    bytes.extend(checksum(&at, &bytes).to_le_bytes());
    let error = read_back(&at, &bytes).unwrap_err();
    assert_eq!(
        error,
        FormatError::Newer {
            found: 2,
            supported: 1
        }
    );
    assert!(
        error
            .to_string()
            .contains("start the version that wrote it")
    );
}

#[test]
fn bytes_that_make_no_sense_are_an_error_even_with_a_good_checksum() {
    let at = key("10.0.0.2");
    let mut bytes = vec![VALUE_FORMAT, 0xff, 0xff];
    bytes.extend(checksum(&at, &bytes).to_le_bytes());
    assert!(matches!(
        read_back(&at, &bytes),
        Err(FormatError::Meaningless(_))
    ));
    assert_eq!(key_address(&[5; 17]), None);
    let mut padded = at;
    padded[16] = 1;
    assert_eq!(key_address(&padded), None, "octets behind an IPv4 address");
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        Just(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Just(IpAddr::V4(Ipv4Addr::BROADCAST)),
        Just(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        Just(IpAddr::from([0xff; 16])),
        Just("::ffff:10.0.0.2".parse().unwrap()),
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
    ]
}

proptest! {
    #[test]
    fn keys_survive_and_sort_as_addresses_do(a in ip(), b in ip()) {
        prop_assert_eq!(key_address(&address_key(a)), Some(a));
        prop_assert_eq!(address_key(a).cmp(&address_key(b)), a.cmp(&b));
    }

    #[test]
    fn records_survive(
        ip in ip(),
        version: u64,
        policy in 0u8..3,
        numbers: [u64; 4],
        texts: [String; 6],
        kinds in (0u8..5, 0u8..4, any::<bool>()),
    ) {
        let [reason, namespace, pod, uid, node, other] = texts;
        let name = |text: &String| Name::from(text.as_str());
        let slot = match kinds.0 {
            0 => Slot::Any,
            1 => Slot::Ordinal(numbers[0]),
            2 => Slot::Node(name(&node)),
            3 => Slot::Pod(name(&pod)),
            _ => Slot::Once(name(&pod)),
        };
        let pod = Pod { name: name(&pod), uid: name(&uid), node: name(&node) };
        let tenant = Tenant {
            namespace: name(&namespace),
            slot,
            pod: kinds.2.then_some(pod),
            app: None,
            pool: None,
        };
        let owner = match kinds.1 {
            0 => Owner::Nobody,
            1 => Owner::Administrator(name(&other)),
            2 => Owner::Pool("a_b".parse().unwrap()),
            _ => Owner::Slot(tenant),
        };
        let lasts = Duration::new(numbers[1], (numbers[2] % 1_000_000_000) as u32);
        let kind = if kinds.2 { MarkKind::Quarantine } else { MarkKind::Rest };
        let until = WallTime::from_nanos(numbers[3]);
        let record = Record {
            policy: ReleasePolicy::try_from(policy).unwrap(),
            updated_at: until,
            mark: Some(Mark { kind, reason, mac: None, node: None, until, lasts }),
            plan: Some(PlanId { incarnation: numbers[0], serial: numbers[1] }),
            ..bare(owner)
        };
        let key = address_key(ip);
        let bytes = address_bytes(&key, Version(version), &record).unwrap();
        prop_assert_eq!(read_back(&key, &bytes), Ok((Version(version), record)));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let at = key("10.0.0.2");
        let mut sealed = vec![VALUE_FORMAT];
        sealed.extend(bytes);
        sealed.extend(checksum(&at, &sealed).to_le_bytes());
        let _ = read_back(&at, &sealed);
        let _ = entry_value(&at, &sealed).and_then(|v| v.entry(&mut Names::default()));
        let _ = pool_value("blue", &sealed);
    }
}
