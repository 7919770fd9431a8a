/** Who makes a call, as established by its signature. */
export interface Caller {
  readonly arn: string
  readonly accountId: string
  readonly accessKeyId: string
  readonly administrator: boolean
}
