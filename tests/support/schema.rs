//! The promise of `--json`: every event with its keys.

/// What every object of an event has: its keys with their types, where `?` behind the type says that the value may be
/// null, and `?` before the key that the key may be absent.
pub(crate) const SCHEMA: &[(&str, &str)] = &[
    (
        "listening",
        "ts:string role:string local:string receive_buffer:number receive_buffer_granted:number? groups:array",
    ),
    ("sent", "ts:string seq:number src:string? dst:string iface:string? ifindex:number? cast:string len:number"),
    ("planned", "ts:string addr:string? dst:string iface:string? ifindex:number? cast:string"),
    ("skipped", "ts:string iface:string ifindex:number addr:string? reason:string why:string"),
    (
        "recv",
        "ts:string ts_src:string seq:number src:string dst:string? iface:string? ifindex:number? cast:string? self:bool \
         len:number ?wire_len:number truncated:bool ttl:number? ?data:string ?data_b64:string",
    ),
    (
        "reply",
        "ts:string ts_src:string src:string dst:string? iface:string? ifindex:number? cast:string? self:bool len:number \
         ?wire_len:number truncated:bool ttl:number? rtt_us:number? seq:number? from_another:bool duplicate:bool \
         late:bool ?data:string ?data_b64:string",
    ),
    (
        "responder",
        "ts:string responder:string iface:string? ifindex:number? self:bool from_another:bool sent:number received:number \
         lost:number duplicates:number reordered:number late:number corrupt:number in_flight:number since_seq:number rtt_us:object?",
    ),
    (
        "service",
        "ts:string change:string type:string name:string id:string addr:string? port:number iface:string? ifindex:number? \
         trust:string attrs:object more:bool ttl_s:number age_ms:number paths:array",
    ),
    (
        "refused",
        "ts:string dst:string by:string? reason:string why:string ?mtu:number ?icmp_type:number ?icmp_code:number ?more:number",
    ),
    (
        "ignored",
        "ts:string ts_src:string src:string dst:string? iface:string? ifindex:number? cast:string? reason:string \
         why:string len:number",
    ),
    ("notice", "ts:string notice:string text:string"),
    (
        "interface",
        "ts:string iface:string ifindex:number ?label:string addr:string? prefix:number? broadcast:string? \
         broadcast_from:string? usable:bool reason:string? why:string? mtu:number?",
    ),
    (
        "error",
        "ts:string reason:string why:string ?errno:number ?exit:number ?dst:string ?iface:string? ?ifindex:number? \
         ?len:number ?more:number",
    ),
    ("lesson", "ts:string lesson:string status:string why:string? facts:array ?observed:object took_ms:number"),
    (
        "summary",
        "ts:string sent:number sent_bytes:number answered:object? attempted:number? failed:number failed_by:object unsent:object skipped:number received:number bytes:number peers:number \
         ?peers_at_least:bool truncated:number filtered:number unread:number ignored:object kernel_drops:number? ?kernel_drops_at_least:bool output_drops:number? duplicates:number? \
         late:number? lost:number? in_flight:number? reordered:number? replies:number? responders:number? merged:number? refused:number ?lessons:object elapsed_s:number exit:number",
    ),
];

/// The keys of an event that every object of it has, and those that it may have.
pub(crate) fn keys(event: &str) -> Option<(Vec<&'static str>, Vec<&'static str>)> {
    let (_, schema) = SCHEMA.iter().find(|(name, _)| *name == event)?;
    let names = schema.split_whitespace().filter_map(|word| word.split_once(':')).map(|(name, _)| name);
    let (may, must): (Vec<&str>, Vec<&str>) = names.partition(|name| name.starts_with('?'));
    Some((must, may.into_iter().map(|name| name.trim_start_matches('?')).collect()))
}
