/** Characters that a terminal would obey, or that would show what is written in another order than it is read. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/gu

/** Text of others for a terminal: whoever decides by it must see all of it, and nothing that is not there. */
export function printable(text: string): string {
  return text.replace(unseen, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** The same by lines, which keep their line feeds and tabs. */
export function printableLines(text: string): readonly string[] {
  return text.split(/\r?\n/).map(line => line.split('\t').map(printable).join('  '))
}
