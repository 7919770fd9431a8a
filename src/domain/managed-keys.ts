/** What the key of each service is said to protect; the services are those for which AWS documents an `alias/aws/…` key. */
const protectedData: Readonly<Record<string, string>> = {
  acm: 'the private keys of ACM certificates',
  backup: 'AWS Backup vaults',
  cloud9: 'AWS Cloud9 data',
  codeartifact: 'CodeArtifact packages',
  codecommit: 'CodeCommit repositories',
  connect: 'Amazon Connect data',
  dms: 'DMS replication data',
  dynamodb: 'DynamoDB tables',
  ebs: 'EBS volumes',
  elasticfilesystem: 'EFS file systems',
  es: 'OpenSearch domains',
  fsx: 'FSx file systems',
  glue: 'Glue data',
  kafka: 'MSK clusters',
  kinesis: 'Kinesis data streams',
  kinesisvideo: 'Kinesis video streams',
  lambda: 'Lambda environment variables',
  rds: 'RDS databases',
  redshift: 'Redshift clusters',
  s3: 'S3 objects',
  secretsmanager: 'Secrets Manager secrets',
  ses: 'SES messages',
  sns: 'SNS topics',
  sqs: 'SQS queues',
  ssm: 'SSM parameters',
  timestream: 'Timestream databases',
  workmail: 'WorkMail mailboxes',
  workspaces: 'WorkSpaces volumes',
  xray: 'X-Ray data',
}

const prefix = 'alias/aws/'

/** The services that have a key of their own, which is made when it is first used. */
export const servicesWithKeys: readonly string[] = Object.keys(protectedData)

/** Keys of the service rotate once a year (KMS developer guide, AWS managed keys). */
export const rotationPeriodInDays = 365

/** The description of the key that bears this alias; undefined if it is not one of a service. */
export function managedKeyDescription(alias: string): string | undefined {
  const service = alias.startsWith(prefix) ? alias.slice(prefix.length) : ''
  return Object.hasOwn(protectedData, service) ? `Protects ${protectedData[service]} where no other key is chosen` : undefined
}

export function isReserved(alias: string): boolean {
  return alias.startsWith(prefix)
}
