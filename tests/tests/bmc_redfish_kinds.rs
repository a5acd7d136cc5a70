//! Edges: the same answers of a Redfish service in other words: in other bytes, by other paths, at another time. Whoever speaks so is
//! understood, or named.

use std::{io::Write, sync::Arc, time::Duration};

use agent::bmc::{Bmc, BmcOptions, LogIns, Power, account::Pace, connect_as};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use protocol::{
    boot::{BootDevice, BootMode, Persistence},
    secret::Secret,
    spec::{BmcEndpoint, BmcProtocol},
};
use serde_json::{Value, json};
use tests::bmc::{
    Credentials,
    chassis::FakeChassis,
    redfish::{self, RedfishBmc, RedfishOptions},
    redfish_front::{Asked, CUT, Front, Said, before},
};

const OPTIONS: BmcOptions =
    BmcOptions { first_wait: Duration::from_millis(500), tries: 4, min_gap: Duration::ZERO };
/// A second of the product's pauses.
const UNIT: Duration = Duration::from_millis(10);
const SYSTEM: &str = "/redfish/v1/Systems/1";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

struct Place {
    bmc: RedfishBmc,
    chassis: Arc<FakeChassis>,
    front: Front,
}

impl Place {
    async fn new(twist: impl Fn(&Asked, Said) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", twist).await
    }

    async fn at(at: &str, twist: impl Fn(&Asked, Said) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let chassis = Arc::new(FakeChassis::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let credentials = Credentials::new("admin", "correct-horse");
        let bmc =
            redfish::serve_on(listener, credentials, chassis.clone(), RedfishOptions::default()).unwrap();
        let front = before(bmc.addr, at, twist).await.unwrap();
        Self { bmc, chassis, front }
    }

    fn client(&self) -> Box<dyn Bmc> {
        let endpoint = BmcEndpoint {
            protocol: BmcProtocol::Redfish { system: None, certificate_sha256: None, http: true },
            address: self.front.addr.ip().to_string(),
            port: self.front.addr.port(),
            username: "admin".into(),
            password: Secret::new("correct-horse"),
            settings: Default::default(),
        };
        connect_as(&endpoint, OPTIONS, LogIns { pace: Pace(UNIT), in_call: true })
    }
}

/// A whole start by a service that speaks so; after it, no session is left open.
async fn is_understood(
    what: &str,
    twist: impl Fn(&Asked, Said) -> Vec<u8> + Send + Sync + 'static,
) -> Result<(), String> {
    let place = Place::new(twist).await;
    works(what, &place).await
}

async fn works(what: &str, place: &Place) -> Result<(), String> {
    let client = place.client();
    let done = async {
        client.identity().await?;
        client.set_boot_device(BootDevice::Pxe, Persistence::Once, BootMode::Uefi).await?;
        client.power_on().await?;
        let power = client.power_status().await?;
        client.power_off().await?;
        Ok::<_, agent::bmc::BmcError>(power)
    };
    match done.await {
        Ok(Power::On) if place.chassis.state().boots.len() == 1 => {}
        Ok(power) => return Err(format!("{what}: {power:?}, boots {:?}", place.chassis.state().boots)),
        Err(error) => return Err(format!("{what}: {error}")),
    }
    let failed = place.bmc.stats().attempts - place.bmc.stats().logins;
    if failed > 0 {
        return Err(format!("{what}: {failed} log-ins failed"));
    }
    drop(client);
    let closing = async {
        while place.bmc.sessions() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(20), closing).await;
    closed.map_err(|_| format!("{what}: {} sessions are left open", place.bmc.sessions()))
}

fn all(results: Vec<Result<(), String>>) {
    let faults: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The answer with its JSON in other words.
fn reworded(said: Said, change: impl Fn(&mut Value)) -> Vec<u8> {
    let Ok(mut json) = serde_json::from_slice::<Value>(&said.body) else { return said.bytes() };
    change(&mut json);
    Said { body: json.to_string().into_bytes(), ..said }.bytes()
}

fn each_value(json: &mut Value, change: &dyn Fn(&mut Value)) {
    change(json);
    match json {
        Value::Array(values) => values.iter_mut().for_each(|value| each_value(value, change)),
        Value::Object(fields) => fields.values_mut().for_each(|value| each_value(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn json_is_read_in_other_encodings_and_of_other_types() {
    let utf_16 = |text: &str, big: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let encoded = move |big| {
        move |_: &Asked, said: Said| {
            let text = String::from_utf8(said.body.clone()).unwrap();
            if text.is_empty() { said.bytes() } else { Said { body: utf_16(&text, big), ..said }.bytes() }
        }
    };
    all(vec![
        is_understood("UTF-16, little-endian", encoded(false)).await,
        is_understood("UTF-16, big-endian", encoded(true)).await,
        is_understood("numbers as text", |_, said| {
            reworded(said, |json| {
                each_value(json, &|value| {
                    if let Value::Number(number) = value {
                        *value = json!(number.to_string());
                    }
                })
            })
        })
        .await,
        is_understood("unknown fields are null", |_, said| {
            reworded(said, |json| {
                for name in ["Boot2", "Oem", "Status", "Description", "AssetTag", "Members@odata.nextLink"] {
                    json[name] = Value::Null;
                }
            })
        })
        .await,
        is_understood("empty text where nothing is", |_, said| {
            reworded(said, |json| json["Members@odata.nextLink"] = json!(""))
        })
        .await,
        is_understood("members are bare texts", |_, said| {
            reworded(said, |json| {
                if let Some(members) = json.get_mut("Members").and_then(Value::as_array_mut) {
                    for member in members {
                        *member = member["@odata.id"].clone();
                    }
                }
            })
        })
        .await,
        is_understood("links are bare texts", |asked, said| {
            let is_root = asked.path.trim_end_matches('/') == "/redfish/v1";
            reworded(said, |json| {
                for name in ["Systems", "Managers", "SessionService"].iter().filter(|_| is_root) {
                    if let Some(link) = json[*name].get("@odata.id").cloned() {
                        json[*name] = link;
                    }
                }
            })
        })
        .await,
        is_understood("a field twice, at last null", |_, said| {
            let text = String::from_utf8(said.body.clone()).unwrap();
            let text = text.replacen("\"PowerState\":", "\"PowerState\":\"On\",\"PowerState\":", 1);
            Said { body: text.into_bytes(), ..said }.bytes()
        })
        .await,
    ]);
}

#[tokio::test]
async fn http_is_read_as_loosely_as_it_is_written() {
    let packed = |name: &'static str, pack: fn(&[u8]) -> Vec<u8>| {
        move |_: &Asked, mut said: Said| {
            if !said.body.is_empty() {
                said.headers.push(("Content-Encoding".into(), name.into()));
                said.body = pack(&said.body);
            }
            said.bytes()
        }
    };
    let gzip = |body: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(body).unwrap();
        packer.finish().unwrap()
    };
    let zlib = |body: &[u8]| {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(body).unwrap();
        packer.finish().unwrap()
    };
    let raw = |body: &[u8]| {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(body).unwrap();
        packer.finish().unwrap()
    };
    let with_headers = |change: fn(&mut Vec<(String, String)>)| {
        move |_: &Asked, mut said: Said| {
            change(&mut said.headers);
            said.bytes()
        }
    };
    all(vec![
        is_understood("gzip", packed("gzip", gzip)).await,
        is_understood("x-gzip", packed("x-gzip", gzip)).await,
        is_understood("GZip, with a space", packed(" GZip ", gzip)).await,
        is_understood("deflate", packed("deflate", zlib)).await,
        is_understood("deflate without a head", packed("deflate", raw)).await,
        is_understood("identity", packed("identity", |body| body.to_vec())).await,
        is_understood("1xx answers before", |_, said| {
            [&b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"[..], &said.bytes()]
                .concat()
        })
        .await,
        is_understood("chunks, with extensions and trailers", |_, said| {
            if said.status == 204 {
                return said.bytes();
            }
            let mut sent = [said.head().as_slice(), b"transfer-encoding: Chunked\r\n\r\n"].concat();
            for piece in said.body.chunks(7) {
                sent.extend(format!("{:X};name=value\r\n", piece.len()).into_bytes());
                sent.extend_from_slice(piece);
                sent.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(b"0\r\nETag: \"late\"\r\n\r\n");
            sent
        })
        .await,
        is_understood("names in capitals", with_headers(|headers| {
            for (name, _) in headers {
                *name = name.to_ascii_uppercase();
            }
        }))
        .await,
        is_understood("a page's content type", with_headers(|headers| {
            headers.retain(|(name, _)| name != "content-type");
            headers.push(("Content-Type".into(), "text/html; charset=iso-8859-1".into()));
        }))
        .await,
        is_understood("no content type", with_headers(|headers| headers.retain(|(name, _)| name != "content-type"))).await,
        is_understood("line feeds alone", |_, said| {
            let length = format!("Content-Length: {}\n\n", said.body.len());
            let head = String::from_utf8(said.head()).unwrap().replace("\r\n", "\n");
            [head.as_bytes(), length.as_bytes(), &said.body].concat()
        })
        .await,
        is_understood("a 204 with a length", |_, said| {
            if said.status == 204 { [said.head().as_slice(), b"Content-Length: 0\r\n\r\n"].concat() } else { said.bytes() }
        })
        .await,
    ]);
}

/// The first answer to a reading of the system is cut off in the middle.
#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_again() {
    let cut = |how: &'static str| {
        let times = std::sync::atomic::AtomicUsize::new(0);
        move |asked: &Asked, said: Said| {
            let is_meant = asked.method == "GET" && asked.path == SYSTEM;
            if !is_meant || times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0 {
                return said.bytes();
            }
            let head = [said.head(), how.as_bytes().to_vec()].concat();
            [head.as_slice(), CUT].concat()
        }
    };
    all(vec![
        is_understood("a length that does not come", cut("Content-Length: 5000\r\n\r\n")).await,
        is_understood("a chunk that does not come", cut("Transfer-Encoding: chunked\r\n\r\n400\r\n")).await,
        is_understood("the end of the connection for a length", cut("Connection: close\r\n\r\n")).await,
        is_understood("no answer at all", {
            let times = std::sync::atomic::AtomicUsize::new(0);
            move |asked: &Asked, said: Said| {
                let is_meant = asked.method == "GET" && asked.path == SYSTEM;
                if is_meant && times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                    Vec::new()
                } else {
                    said.bytes()
                }
            }
        })
        .await,
    ]);
}

#[tokio::test]
async fn redirects_are_followed_in_several_hops_and_however_they_are_written() {
    let hops = |status: u16, to: &'static [(&'static str, &'static str)]| {
        move |asked: &Asked, said: Said| match to.iter().find(|(from, _)| *from == asked.path) {
            Some((_, location)) => Said::new(status, &[("Location", location)], "").bytes(),
            None => said.bytes(),
        }
    };
    const ROOT: &str = "/redfish/v1";
    all(vec![
        is_understood("two hops", hops(308, &[(ROOT, "/redfish/v1?a"), ("/redfish/v1?a", "/redfish/v1/")]))
            .await,
        is_understood(
            "three hops",
            hops(
                307,
                &[
                    (ROOT, "/redfish/v1?a"),
                    ("/redfish/v1?a", "/redfish/v1?b"),
                    ("/redfish/v1?b", "/redfish/v1/"),
                ],
            ),
        )
        .await,
        is_understood("see other", hops(303, &[(ROOT, "/redfish/v1/")])).await,
        is_understood("a relative path with a dot", hops(301, &[(ROOT, "./v1/")])).await,
        is_understood("a relative path with two dots", hops(301, &[(SYSTEM, "../Systems/1/")])).await,
        is_understood(
            "the system and what is done with it",
            hops(
                308,
                &[
                    (SYSTEM, "/redfish/v1/Systems/1/"),
                    (
                        "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                        "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset/",
                    ),
                ],
            ),
        )
        .await,
    ]);
    let away = Place::new(hops(302, &[(SYSTEM, "https://198.51.100.9/redfish/v1/Systems/1")])).await;
    let reason = away.client().power_on().await.unwrap_err().to_string();
    assert!(reason.contains("198.51.100.9") && reason.contains("another service"), "{reason}");
    let round = Place::new(hops(302, &[(SYSTEM, "/redfish/v1/a"), ("/redfish/v1/a", SYSTEM)])).await;
    let reason = round.client().power_on().await.unwrap_err().to_string();
    assert!(reason.contains("again and again"), "{reason}");
}

#[tokio::test]
async fn whoever_has_no_time_says_so_in_several_forms() {
    let busy = |status: u16, headers: &'static [(&'static str, &'static str)], method: &'static str| {
        let times = std::sync::atomic::AtomicUsize::new(0);
        move |asked: &Asked, said: Said| {
            let is_meant = asked.method == method && asked.path.starts_with(SYSTEM);
            if is_meant && times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                Said::new(status, headers, "{\"error\":{\"message\":\"Not now.\"}}").bytes()
            } else {
                said.bytes()
            }
        }
    };
    let mut results = Vec::new();
    for method in ["GET", "PATCH"] {
        for (what, status, headers) in [
            (
                "503 with a date",
                503,
                &[
                    ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("Retry-After", "Sun, 06 Nov 1994 08:49:38 GMT"),
                ][..],
            ),
            (
                "503 with a date of RFC 850",
                503,
                &[
                    ("Date", "Sunday, 06-Nov-94 08:49:37 GMT"),
                    ("Retry-After", "Sunday, 06-Nov-94 08:49:38 GMT"),
                ],
            ),
            ("503 with a date long ago", 503, &[("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT")]),
            ("429 with zero", 429, &[("Retry-After", "0")]),
            ("503 with a fraction", 503, &[("Retry-After", "0.5")]),
            ("503 with a unit", 503, &[("Retry-After", "1s")]),
            ("503 with less than nothing", 503, &[("Retry-After", "-1")]),
            ("503 with words", 503, &[("Retry-After", "soon")]),
            ("504", 504, &[]),
            ("502", 502, &[]),
            ("425", 425, &[]),
            ("408", 408, &[]),
        ] {
            results.push(is_understood(&format!("{what} at {method}"), busy(status, headers, method)).await);
        }
    }
    all(results);
}

#[tokio::test]
async fn sessions_have_other_names_and_are_given_back() {
    let at_log_in = |change: fn(Said) -> Said| {
        move |asked: &Asked, said: Said| {
            if asked.method == "POST" && asked.path == SESSIONS { change(said).bytes() } else { said.bytes() }
        }
    };
    fn without(mut said: Said, name: &str) -> Said {
        said.headers.retain(|(known, _)| known != name);
        said
    }
    all(vec![
        is_understood(
            "Location at another host",
            at_log_in(|mut said| {
                for (name, value) in &mut said.headers {
                    if name == "location" {
                        *value = format!("https://bmc-of-nobody.example:8443{value}");
                    }
                }
                said
            }),
        )
        .await,
        is_understood(
            "no Location, and only an id in the body",
            at_log_in(|said| {
                let mut said = without(said, "location");
                let id = serde_json::from_slice::<Value>(&said.body).unwrap()["Id"].clone();
                said.body = json!({ "Id": id, "Name": "User Session" }).to_string().into_bytes();
                said
            }),
        )
        .await,
        is_understood(
            "Location without the slash",
            at_log_in(|mut said| {
                for (name, value) in &mut said.headers {
                    if name == "location" {
                        *value = value.trim_start_matches('/').to_owned();
                    }
                }
                said
            }),
        )
        .await,
        is_understood("made with 200", at_log_in(|said| Said { status: 200, ..said })).await,
        is_understood("no body at all", at_log_in(|said| Said { body: Vec::new(), ..said })).await,
    ]);
}

#[tokio::test]
async fn a_service_whose_etag_is_changed_on_the_way_is_written_to() {
    let shows = |show: fn(&str) -> String| {
        move |_: &Asked, mut said: Said| {
            for (_, value) in said.headers.iter_mut().filter(|(name, _)| name == "etag") {
                *value = show(value);
            }
            said.bytes()
        }
    };
    all(vec![
        is_understood("without quotes", shows(|etag| etag.replace('"', ""))).await,
        is_understood("packed on the way", shows(|etag| etag.trim_end_matches('"').to_owned() + "-gzip\""))
            .await,
        is_understood("a small w", shows(|etag| format!("w/{}", etag.trim_start_matches("W/")))).await,
        is_understood("quoted twice", shows(|etag| format!("\"{}\"", etag.replace('"', "\\\"")))).await,
        is_understood("none", |_, mut said| {
            said.headers.retain(|(name, _)| name != "etag");
            said.bytes()
        })
        .await,
    ]);
}

#[tokio::test]
async fn a_bmc_may_have_an_ipv6_address() {
    let place = Place::at("[::1]:0", |_: &Asked, said: Said| said.bytes()).await;
    all(vec![works("IPv6", &place).await]);
}
