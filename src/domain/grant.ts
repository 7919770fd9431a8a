import { KmsError } from './errors.js'
import type { Caller } from './caller.js'

/*
 * What a grant may say, whatever the key (KMS API Reference, CreateGrant and GrantConstraints). What fits which key is in
 * service/key-fit.ts and service/grants/fit.ts.
 */

const accountId = /^[0-9]{12}$/
const name = '[\\w+=,.@-]+'
const principals = [
  '(iam::[0-9]{12}:root)', `(iam::[0-9]{12}:(user|role)/(${name}/)*${name})`,
  `(sts::[0-9]{12}:assumed-role/${name}/${name})`, `(sts::[0-9]{12}:federated-user/${name})`,
]
const principalArn = new RegExp(`^arn:aws(-[a-z]+)*:(${principals.join('|')})$`)
/** The API lets 128 characters through, but has never made an id of another form. */
const grantId = /^[0-9a-f]{64}$/
const pairsMax = 8
const valueCharactersMax = 384

/** The ARN of an account, user, role, assumed-role session or federated user; an account's number stands for its root. */
export function grantPrincipal(text: string): string {
  if (accountId.test(text)) return `arn:aws:iam::${text}:root`
  if (!principalArn.test(text)) throw new KmsError('InvalidArnException', `ARN does not refer to a valid principal: ${text}`)
  return text
}

export function checkGrantId(text: string): void {
  if (!grantId.test(text)) throw new KmsError('InvalidGrantIdException', `Invalid grant id '${text}'`)
}

/** The limits that the model of the API does not have. */
export function checkContext(member: string, context: Readonly<Record<string, string>> | undefined): void {
  const values = Object.values(context ?? {})
  if (values.length > pairsMax) throw invalid(`${member} can have at most ${pairsMax} pairs`)
  if (values.some(value => [...value].length > valueCharactersMax)) {
    throw invalid(`A value in ${member} can have at most ${valueCharactersMax} characters`)
  }
}

export interface Retirable {
  readonly granteePrincipal?: string
  readonly retiringPrincipal?: string
  /** ARN of the root of the account that made the grant. */
  readonly issuingAccount: string
  readonly operations: readonly string[]
}

/**
 * Who may retire a grant (KMS API Reference, RetireGrant): its retiring principal, its grantee if it has RetireGrant among its operations,
 * and the account that made it: the root, and its administrator, who stands in for what the account has delegated.
 */
export function mayRetire(grant: Retirable, { arn, accountId: account, administrator }: Caller): boolean {
  if (arn === grant.retiringPrincipal) return true
  if (arn === grant.granteePrincipal && grant.operations.includes('RetireGrant')) return true
  return arn === grant.issuingAccount || (administrator && grant.issuingAccount === `arn:aws:iam::${account}:root`)
}

function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}
