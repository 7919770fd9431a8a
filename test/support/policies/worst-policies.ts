import { policyBytesMax } from '../../../src/domain/policy/parse.js'

/** What a policy may be made of so that it is as long as it may be, and as much work as it can be. */
type Piece = (at: number) => string

const principal = '"Principal":"*","Action":"kms:*","Resource":"*"'
const name = (at: number) => at.toString(36)

/** `pieces` until the text is full, or `max` of them. */
function filled(before: string, piece: Piece, after: string, { bytes, max = Infinity }: { bytes: number, max?: number }): string {
  const parts: string[] = []
  let left = bytes - before.length - after.length
  for (let at = 0; at < max; at++) {
    const next = piece(at)
    left -= next.length + 1
    if (left < 0) break
    parts.push(next)
  }
  return before + parts.join(',') + after
}

const inOne = (of: string): readonly [string, string] =>
  [`{"Version":"2012-10-17","Statement":[{"Effect":"Deny",${principal},"Condition":{"${of}":`, '}}]}']

/** Key policies that are as heavy as one can be, each in its own way; `number` makes each another, so that nothing is shared. */
export const worstPolicies: Readonly<Record<string, (number: number, limits?: { bytes?: number, max?: number }) => string>> = {
  'conditions with a variable': of(inOne('StringLike'), '{', (at, number) => `"a:${name(at)}":"\${b:${name(number)}${name(at)}}"`, '}'),
  'conditions with the same variable': of(inOne('StringLike'), '{', at => `"a:${name(at)}":"\${a:b}"`, '}'),
  'short conditions': of(inOne('StringEquals'), '{', at => `"a:${name(at)}":""`, '}'),
  'empty values': of(inOne('StringEquals'), '{"a:b":[', () => '""', ']}'),
  'values with variables': of(inOne('StringLike'), '{"a:b":[', (at, number) => `"\${a:${name(number)}${name(at)}}*"`, ']}'),
  'wildcards': of(inOne('StringLike'), '{"a:b":[', () => '"*?"', ']}'),
  'addresses': of(inOne('IpAddress'), '{"aws:SourceIp":[', () => '"::"', ']}'),
  'ARNs': of(inOne('ArnLike'), '{"aws:PrincipalArn":[', () => '":::::"', ']}'),
  'numbers': of(inOne('NumericEquals'), '{"a:b":[', at => `"${at}.5"`, ']}'),
  'texts in capitals': of(inOne('StringEqualsIgnoreCase'), '{"a:b":[', (at, number) => `"X${number}${at}"`, ']}'),
  'statements': of(['{"Version":"2012-10-17","Statement":[', ']}'], '', () => '{"Effect":"Deny","Principal":"*","Action":"a:B"}', ''),
  'whole statements': of(['{"Version":"2012-10-17","Statement":[', ']}'], '', at =>
    `{"Effect":"Deny","Principal":"*","Action":"a:B","Resource":"*","Condition":{"Bool":{"a:${name(at)}":"TRUE"}}}`, ''),
  'actions': of(['{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":[', '],"Resource":"*"}]}'], '',
    at => `"a:B${name(at)}"`, ''),
  'principals': of(['{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Principal":{"AWS":[', ']}}]}'], '', at =>
    `"${String(at).padStart(12, '0')}"`, ''),
}

function of([before, after]: readonly [string, string], open: string, piece: (at: number, number: number) => string, close: string) {
  return (number: number, { bytes = policyBytesMax, max = Infinity }: { bytes?: number, max?: number } = {}) =>
    filled(before + open, at => piece(at, number), close + after, { bytes, max })
}
