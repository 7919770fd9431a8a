/** The W3C profile of ISO 8601 (Note datetime). A time without a zone, which the profile does not have, is one of UTC. */
const w3c = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/
const epochSeconds = /^[+-]?\d+(?:\.\d*)?$/

/**
 * A date of a policy, or of a request: as above, or in seconds since the epoch; four digits are a year. Answers milliseconds since the
 * epoch, undefined for what is no date.
 */
export function readDate(text: string): number | undefined {
  const written = w3c.exec(text)
  if (!written) return epochSeconds.test(text) && Number.isFinite(Number(text)) ? Number(text) * 1000 : undefined
  const [, year = '', month = '01', day = '01', zone] = written
  if (!isDay(`${year}-${month}-${day}`)) return undefined
  const time = Date.parse(text.includes('T') && zone === undefined ? `${text}Z` : text)
  return Number.isNaN(time) ? undefined : time
}

/** Date.parse takes the 31st of every month, and makes it the first of the next where there is none. */
function isDay(day: string): boolean {
  const time = Date.parse(day)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day)
}
