"""What a boto3 user does with the credentials of a role, which the profile of the environment describes. Ends with 0 if all is well.

The client is as it was installed: nothing here names an endpoint, a region or an access key.
"""
import os

import boto3

from boto3_checks import equal, refusal_of

role, key = os.environ['ROLE_ARN'], os.environ['KEY_ID']


sts, kms = boto3.client('sts'), boto3.client('kms')
name = role.rsplit('/', 1)[1]
identity = sts.get_caller_identity()
equal(identity['Arn'].split(':', 5)[5], 'assumed-role/%s/%s' % (name, os.environ['AWS_PROFILE']))

sealed = kms.encrypt(KeyId=key, Plaintext=b'secret', EncryptionContext={'a': 'b'})['CiphertextBlob']
equal(kms.decrypt(CiphertextBlob=sealed, EncryptionContext={'a': 'b'})['Plaintext'], b'secret')

again = sts.assume_role(RoleArn=role, RoleSessionName='again', DurationSeconds=900, SourceIdentity='me',
                        Tags=[{'Key': 'team', 'Value': 'Zo\u00eb'}, {'Key': 'empty', 'Value': ''}], TransitiveTagKeys=['team'],
                        PolicyArns=[{'arn': 'arn:aws:iam::aws:policy/ClavigerAuditor'}], Policy='{"Statement": {"Effect": "Allow", '
                        '"Action": "kms:*", "Resource": "*"}}')
equal(again['SourceIdentity'], 'me')
equal(again['Credentials']['Expiration'].microsecond, 0)
credentials = {to: again['Credentials'][of] for to, of in [
    ('aws_access_key_id', 'AccessKeyId'), ('aws_secret_access_key', 'SecretAccessKey'), ('aws_session_token', 'SessionToken')]}
chained = boto3.client('kms', **credentials)
equal(chained.describe_key(KeyId=key)['KeyMetadata']['KeyId'], key)
# Two session policies allow what either allows, and a Deny in one of them counts.
equal(refusal_of(chained.encrypt, KeyId=key, Plaintext=b'x'), ('AccessDeniedException', 400))

equal(refusal_of(sts.assume_role, RoleArn=role + 'x', RoleSessionName='me'), ('AccessDenied', 403))
equal(refusal_of(sts.assume_role, RoleArn=role, RoleSessionName='me', DurationSeconds=7200), ('ValidationError', 400))
equal(refusal_of(sts.assume_role, RoleArn=role, RoleSessionName='me', Policy='{}'), ('MalformedPolicyDocument', 400))
equal(refusal_of(sts.assume_role_with_web_identity, RoleArn=role, RoleSessionName='me', WebIdentityToken='none'), ('InvalidIdentityToken', 400))
equal(refusal_of(sts.get_session_token), ('AccessDenied', 403))
