const form = /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i

/** Whatever parameters follow: botocore sends a charset. */
export function isForm(contentType: string | undefined): boolean {
  return contentType !== undefined && form.test(contentType)
}
