//! gzip and zstd containers with stored blocks, so that the bytes do not depend on a library.

/// Returns one gzip member of stored blocks.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks: Vec<&[u8]> = bytes.chunks(0xffff).collect();
    for (i, block) in blocks.iter().enumerate() {
        let length = block.len() as u16;
        packed.push(u8::from(i + 1 == blocks.len()));
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(*block);
    }
    packed.extend(crc32(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// A part of a zstd frame: raw bytes, or one repeated byte.
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Repeat(u8, usize),
}

/// The maximum size of a zstd block.
const BLOCK: usize = 128 * 1024;

/// Returns one zstd frame.
pub fn zstd(pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut length = 0;
    let mut blocks: Vec<(u32, usize, Vec<u8>)> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => {
                length += bytes.len();
                blocks.extend(bytes.chunks(BLOCK).map(|block| (0, block.len(), block.to_vec())));
            }
            Piece::Repeat(byte, times) => {
                length += times;
                let mut left = *times;
                while left > 0 {
                    blocks.push((1, left.min(BLOCK), vec![*byte]));
                    left -= left.min(BLOCK);
                }
            }
        }
    }
    // A single segment, with its length in 4 bytes.
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    packed.extend((length as u32).to_le_bytes());
    let last = blocks.len();
    for (i, (kind, size, content)) in blocks.into_iter().enumerate() {
        let header = u32::from(i + 1 == last) | kind << 1 | (size as u32) << 3;
        packed.extend(&header.to_le_bytes()[..3]);
        packed.extend(content);
    }
    packed
}
