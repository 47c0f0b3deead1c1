//! As much of HTTP/1.1 as generator and sink need: where a message ends.

/// The end of the first message in `buffer`, and where its body begins; `None` if it is not all there yet.
pub fn first(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let body = head + 4;
    let end = body + length(&buffer[..head]);
    (buffer.len() >= end).then_some((body, end))
}

/// What the head says in `content-length`; 0 if nothing.
fn length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|&byte| byte == b'\n');
    let value = lines.filter(|line| line.len() > NAME.len()).find(|line| line[..NAME.len()].eq_ignore_ascii_case(NAME));
    let text = value.and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok());
    text.map_or(0, |text| text.trim().parse().expect("a length is a number"))
}
