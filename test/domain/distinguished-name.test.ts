import { expect } from 'chai'
import { isSameName, parseName, readName, textOfName } from '../../src/domain/distinguished-name.js'
import { nameOf, stringTags } from '../support/handmade-certificate.js'

const parsed = (text: string) => {
  const name = parseName(text)
  if (!name) throw new Error(`${text} is no name`)
  return name
}

describe('a distinguished name as text', () => {
  it('is its attributes in the order of the certificate', () => {
    expect(parsed('O=Example,CN=backup')).to.deep.equal([[{ type: 'O', value: 'Example' }], [{ type: 'CN', value: 'backup' }]])
    expect(parsed('cn=a=b,emailAddress=x@y')).to.deep.equal([[{ type: 'CN', value: 'a=b' }], [{ type: 'EMAILADDRESS', value: 'x@y' }]])
  })

  for (const [text, value] of [
    ['CN=a\\,O=x', 'a,O=x'], ['CN=a\\2CO=x', 'a,O=x'], ['CN=\\ a\\ ', ' a '], ['CN=\\#a', '#a'], ['CN=a#', 'a#'], ['CN=\\\\', '\\'],
    ['CN=a\\+b\\"\\;\\<\\>', 'a+b";<>'], ['CN=a b', 'a b'], ['CN=Zo\\C3\\AB', 'Zoë'], ['CN=Zoë 🔑', 'Zoë 🔑'], ['CN=🔑', '🔑'],
    ['CN=a\\ \\,b', 'a ,b'],
  ] as const) {
    it(`${text} has the value ${JSON.stringify(value)}`, () => {
      expect(parsed(text)).to.deep.equal([[{ type: 'CN', value }]])
    })
  }

  for (const text of [
    '', 'CN', 'CN=', '=a', 'CN=a,', ',CN=a', 'CN=a,,O=b', 'CN=a, O=b', 'CN=a ,O=b', 'CN= a', 'CN=a ', 'CN=a+O=b', 'CN="a"', 'CN=a;O=b',
    'CN=#04', 'XY=a', '2.5.4.3=a', 'CN=a\\', 'CN=a\\x', 'CN=a\\2', 'CN=\\C3', 'CN=\\00', 'CN=a\u0000', 'CN=a\\0A', 'CN=a\n', '/CN=a',
    'constructor=a', '__proto__=a', 'CN=<a>',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      expect(parseName(text)).to.equal(undefined)
    })
  }

  it('is written as it is read', () => {
    for (const text of [
      'O=Example,CN=backup', 'CN=a\\,O\\=x', 'CN=\\ a\\ ', 'CN=\\#\\"\\+\\;\\<\\>\\\\', 'DC=org,DC=example,UID=Zoë', 'CN=\\ ',
    ]) {
      const name = parsed(text)
      expect(parsed(textOfName(name)), text).to.deep.equal(name)
    }
    expect(textOfName(parsed('CN=admin\\,O=x'))).to.equal('CN=admin\\,O=x')
  })
})

describe('a distinguished name in a certificate', () => {
  const backup = parsed('O=Example,CN=backup')

  it('is the same as its text, whatever type of string it is written in', () => {
    for (const tag of [stringTags.utf8, stringTags.printable, stringTags.ia5]) {
      const name = readName(nameOf({ type: 'O', value: 'Example', tag }, { type: 'CN', value: 'backup', tag }))
      expect(isSameName(name, backup)).to.equal(true)
    }
    expect(isSameName(readName(nameOf({ type: 'CN', value: 'Zoë' })), parsed('CN=Zoë'))).to.equal(true)
  })

  const o = { type: 'O', value: 'Example' } as const
  const cn = { type: 'CN', value: 'backup' } as const
  const others = {
    'in another order': nameOf(cn, o),
    'with less': nameOf(cn),
    'with more': nameOf(o, cn, { type: 'OU', value: 'x' }),
    'with one attribute twice': nameOf(o, cn, cn),
    'in one part': nameOf([o, cn]),
    'with another in its part': nameOf(o, [cn, { type: 'OU', value: 'x' }]),
    'of another type': nameOf(o, { type: 'OU', value: 'backup' }),
    'in capitals': nameOf(o, { type: 'CN', value: 'Backup' }),
    'with a space behind': nameOf(o, { type: 'CN', value: 'backup ' }),
    'with a space that has no width': nameOf(o, { type: 'CN', value: 'backup\u200b' }),
    'with a byte order mark': nameOf(o, { type: 'CN', value: '\ufeffbackup' }),
    'with a letter of another alphabet': nameOf(o, { type: 'CN', value: 'bаckup' }),
    'with both in one value': nameOf({ type: 'O', value: 'Example,CN=backup' }),
    'with a backslash': nameOf({ type: 'O', value: 'Example\\,CN=backup' }),
    'that is empty': nameOf(),
  }
  for (const [how, der] of Object.entries(others)) {
    it(`is another ${how}`, () => {
      expect(isSameName(readName(der), backup)).to.equal(false)
    })
  }

  it('is not normalised: what is written otherwise is another', () => {
    expect(isSameName(readName(nameOf({ type: 'CN', value: 'Zoe\u0308' })), parsed('CN=Zo\u00eb'))).to.equal(false)
    expect(isSameName(readName(nameOf({ type: 'CN', value: '\ufb01le' })), parsed('CN=file'))).to.equal(false)
  })

  const unreadable = {
    'a NUL': nameOf({ type: 'CN', value: 'backup\0.evil' }),
    'a NUL at its end': nameOf({ type: 'CN', value: 'backup\0' }),
    'a line feed': nameOf({ type: 'CN', value: 'backup\nO=x' }),
    'a NUL in ASCII': nameOf({ type: 'CN', value: 'backup\0', tag: stringTags.ia5 }),
    'UTF-8 that is none': nameOf({ type: 'CN', value: Uint8Array.of(0x61, 0xff) }),
    'UTF-8 that is longer than it need be': nameOf({ type: 'CN', value: Uint8Array.of(0xc1, 0xa1) }),
    'a surrogate': nameOf({ type: 'CN', value: Uint8Array.of(0xed, 0xa0, 0x80) }),
    'a letter that PrintableString has not': nameOf({ type: 'CN', value: 'a@b', tag: stringTags.printable }),
    'a byte that ASCII has not': nameOf({ type: 'CN', value: Uint8Array.of(0xe9), tag: stringTags.ia5 }),
    'a T61String': nameOf({ type: 'CN', value: 'backup', tag: stringTags.t61 }),
    'a BMPString': nameOf({ type: 'CN', value: Buffer.from('\0b\0a'), tag: stringTags.bmp }),
    'a UniversalString': nameOf({ type: 'CN', value: Buffer.from('\0\0\0b'), tag: stringTags.universal }),
    'a number for a string': nameOf({ type: 'CN', value: Uint8Array.of(1), tag: 2 }),
    'bytes behind it': Buffer.concat([nameOf({ type: 'CN', value: 'backup' }), Uint8Array.of(0)]),
    'a broken end': nameOf({ type: 'CN', value: 'backup' }).subarray(0, -1),
  }
  for (const [what, der] of Object.entries(unreadable)) {
    it(`is not read with ${what}`, () => {
      expect(() => readName(der)).to.throw()
    })
  }
})
