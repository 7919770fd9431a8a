/** Makes and checks the MAC of stored rows with `root/mac` in the HSM. `data` is already an injective encoding of the row. */
export interface RowAuthenticator {
  /** A tag that names the version of the root that made it. */
  tag(data: Uint8Array): Promise<Uint8Array>
  /** Constant time in the tag's bytes; false also for a tag of another length or an unknown version. */
  verify(data: Uint8Array, tag: Uint8Array): Promise<boolean>
}
