/**
 * Names that are compared without regard to case: condition keys, and in them the names of tags and of pairs of the encryption context. A
 * letter becomes its small one only if that has no other capital: the sign for Kelvin (U+212A) is no K, or a context that looks like the
 * one a policy asks for would pass for it.
 */
export function foldCase(text: string): string {
  return ascii.test(text) ? text.toLowerCase() : Array.from(text, foldCharacter).join('')
}

const ascii = /^[\x00-\x7f]*$/

function foldCharacter(character: string): string {
  const small = character.toLowerCase()
  return small.toUpperCase() === character ? small : character
}
