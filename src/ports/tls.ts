/** What a TLS listener is made of, all of it PEM and checked: it fits together. */
export interface TlsMaterial {
  /** The server's certificate first, then those that lead to its CA. */
  readonly certificate: string
  readonly key: string
  /** undefined: clients are not asked for a certificate. */
  readonly clients?: ClientTrust
}

export interface ClientTrust {
  /** Each one certificate of a CA. */
  readonly ca: readonly string[]
  /** Each one revocation list. Where there is one, every CA of a chain needs one. */
  readonly crl: readonly string[]
  /** Without a good certificate there is no connection. */
  readonly required: boolean
}
