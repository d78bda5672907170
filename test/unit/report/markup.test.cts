import { cut, escape, markup } from "../../../src/report/markup.cjs";

describe("a template", () => {
  it("escapes what stands in it, but for templates", () => {
    const inner = markup`<b>${"<&>"}</b>`;
    expect(markup`<p title="${`"'`}">${inner}${7}${null}${false}${["a", inner]}</p>`.text).toBe(
      '<p title="&quot;&#39;"><b>&lt;&amp;&gt;</b>7a<b>&lt;&amp;&gt;</b></p>',
    );
  });

  it("shows control characters and marks of direction, and keeps line feeds and tabs", () => {
    expect(escape("\0\u001b\u007f\u0085\n\t\r")).toBe("\u2400\u241b\u2421\ufffd\n\t\r");
    expect(escape("\u202eabc\u2069")).toBe("[U+202E]abc[U+2069]");
    expect(escape("שלום\u200f")).toBe("שלום\u200f");
  });

  it("replaces halves of surrogate pairs, not whole ones", () => {
    expect(escape("\ud800 😀 \udc00")).toBe("\ufffd 😀 \ufffd");
  });
});

describe("a cut text", () => {
  it("ends between characters", () => {
    expect(cut("abc", 3)).toBe("abc");
    expect(cut("abcd", 3)).toBe("abc…");
    expect(cut("😀😀😀", 3)).toBe("😀😀😀");
    expect(cut("😀😀😀😀", 3)).toBe("😀😀😀…");
    expect(cut(`${"😀".repeat(5)}${"a".repeat(1000)}`, 3)).toBe("😀😀😀…");
  });
});
