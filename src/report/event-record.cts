/**
 * The bytes of a TensorBoard event file. The framing is that of TensorFlow's `RecordWriter`
 * (tensorflow/core/lib/io/record_writer.h), the messages are tensorboard/compat/proto/event.proto and summary.proto,
 * encoded as https://protobuf.dev/programming-guides/encoding/ says.
 */

// CRC32C (Castagnoli), RFC 3720 appendix B.4: the polynomial 0x1edc6f41 with its bits reversed.
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc >>> 0;
});

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

/** As it stands in a record: rotated and moved, since a checksum of checksums says little. */
function maskedCrc32c(data: Uint8Array): Buffer {
  const crc = crc32c(data);
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(masked);
  return bytes;
}

/** A record: uint64 length, its checksum, the data, its checksum. */
export function record(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc32c(length), data, maskedCrc32c(data)]);
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  // Not by shifting: that would cut at 32 bits.
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

const key = (field: number, wireType: number): Buffer => varint(field * 8 + wireType);

const integerField = (field: number, value: number): Buffer =>
  Buffer.concat([key(field, VARINT), varint(value)]);

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([key(field, FIXED64), bytes]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), bytes]);
}

function bytesField(field: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([key(field, LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

/** Event { double wall_time = 1; int64 step = 2; } and what it is of; protobuf leaves a step of 0 out. */
function event(seconds: number, step: number, what: Buffer): Buffer {
  const steps = step === 0 ? [] : [integerField(2, step)];
  return record(Buffer.concat([doubleField(1, seconds), ...steps, what]));
}

/** The first event of a file: Event { string file_version = 3; }. */
export function versionEvent(seconds: number): Buffer {
  return event(seconds, 0, bytesField(3, "brain.Event:2"));
}

/**
 * Makes readers forget what other files of the run say of this and later steps:
 * Event { SessionLog session_log = 7; }, SessionLog { SessionStatus status = 1; }, START = 1.
 */
export function startEvent(seconds: number, step: number): Buffer {
  return event(seconds, step, bytesField(7, integerField(1, 1)));
}

/**
 * Event { Summary summary = 5; }, Summary { repeated Value value = 1; },
 * Value { string tag = 1; float simple_value = 2; }.
 */
export function scalarsEvent(
  seconds: number,
  step: number,
  scalars: readonly (readonly [tag: string, value: number])[],
): Buffer {
  const values = scalars.map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, tag), floatField(2, value)])),
  );
  return event(seconds, step, bytesField(5, Buffer.concat(values)));
}
