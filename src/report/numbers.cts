/** Numbers as a report shows them: about four digits, whatever their size. */

/** Without zeros at the end of its decimals. */
function trimmed(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

function exponential(value: number, decimals: number): string {
  const [digits = "", exponent = ""] = value.toExponential(decimals).split("e");
  return `${trimmed(digits)}e${exponent.replace("+", "")}`;
}

/** Four significant digits; whole numbers in full up to a million. */
export function showNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return showCount(value);
  if (size >= 1e6 || size < 1e-4) return exponential(value, 3);
  return size >= 1e4 ? showCount(Math.round(value)) : trimmed(value.toPrecision(4));
}

/** With commas at thousands. */
export function showCount(value: number): string {
  return value.toLocaleString("en-US");
}

/** The same with four decimals where that is about as many digits, so that a column of metrics lines up. */
export function showMetric(value: number | null | undefined): string {
  const size = Math.abs(value ?? NaN);
  return typeof value === "number" && size >= 0.001 && size < 10
    ? value.toFixed(4)
    : showNumber(value);
}

/** Three decimals, which line up in a column. */
export function showShare(value: number | null | undefined): string {
  return typeof value === "number" && Number.isFinite(value) ? value.toFixed(3) : showNumber(value);
}

/** Of 0 to 1, without decimals. */
export function showPercent(value: number): string {
  return Number.isFinite(value) ? `${String(Math.round(100 * value))} %` : "–";
}

/** The two largest units that a time has. */
export function showDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return showNumber(seconds);
  if (seconds < 10) return `${trimmed(seconds.toPrecision(2))} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${showCount(hours)} h ${String(minutes)} min`;
  return minutes > 0 ? `${String(minutes)} min ${String(whole % 60)} s` : `${String(whole)} s`;
}

/** A tick's value, with as many decimals as ticks `step` apart need; `largest` is the axis' largest size. */
export function showTick(value: number, step: number, largest: number): string {
  if (value === 0 && (largest >= 1e4 || step < 1e-5)) return "0";
  if (largest >= 1e7 || step < 1e-5) return exponential(value, 2);
  if (largest >= 1e4) return `${trimmed((value / 1000).toFixed(3))}k`;
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}
