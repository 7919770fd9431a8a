const formContentType = 'application/x-www-form-urlencoded'

/** Whatever parameters follow: botocore sends a charset. */
export function isForm(contentType: string | undefined): boolean {
  if (contentType === formContentType) return true
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === formContentType
}
