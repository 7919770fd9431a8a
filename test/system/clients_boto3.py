"""What a boto3 user does with KMS, checked as it goes. Ends with 0 if everything was as it should be.

Takes endpoint, region and credentials from the usual environment variables, the endpoint from AWS_ENDPOINT_URL_KMS.
"""
import json
import os
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from boto3_checks import equal, refusal_of

endpoint = os.environ['AWS_ENDPOINT_URL_KMS']
region = os.environ['AWS_DEFAULT_REGION']
kms = boto3.client('kms', endpoint_url=endpoint, region_name=region, config=Config(retries={'total_max_attempts': 1}))


def call(operation, **members):
    """An operation that the client of this boto3 does not know yet, signed by botocore all the same."""
    request = AWSRequest('POST', endpoint + '/', data=json.dumps(members), headers={
        'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': 'TrentService.' + operation,
    })
    SigV4Auth(boto3.Session().get_credentials(), 'kms', region).add_auth(request)
    prepared = request.prepare()
    answer = urllib.request.urlopen(urllib.request.Request(prepared.url, prepared.body.encode(), dict(prepared.headers), method='POST'))
    return json.load(answer)


key = kms.create_key(Description='made by boto3', Tags=[{'TagKey': 'from', 'TagValue': 'boto3'}])['KeyMetadata']
equal((key['KeyState'], key['Origin'], key['KeySpec']), ('Enabled', 'AWS_KMS', 'SYMMETRIC_DEFAULT'))
kms.create_alias(AliasName='alias/boto3', TargetKeyId=key['KeyId'])
context = {'purpose': 'test', 'name': 'Zo\u00eb \U0001f511'}

blobs = []
for rotations in range(3):
    data_key = kms.generate_data_key(KeyId='alias/boto3', KeySpec='AES_256', EncryptionContext=context)
    equal(len(data_key['Plaintext']), 32)
    plaintext = os.urandom(4096)
    encrypted = kms.encrypt(KeyId=key['Arn'], Plaintext=plaintext)
    blobs += [(data_key['CiphertextBlob'], data_key['Plaintext'], context), (encrypted['CiphertextBlob'], plaintext, {})]
    equal(call('RotateKeyOnDemand', KeyId=key['KeyId'])['KeyId'], key['Arn'])
equal([each['RotationType'] for each in call('ListKeyRotations', KeyId=key['KeyId'])['Rotations']], ['ON_DEMAND'] * 3)

for blob, plaintext, blob_context in blobs:
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=blob_context)
    equal((opened['Plaintext'], opened['KeyId']), (plaintext, key['Arn']))
equal(refusal_of(kms.decrypt, CiphertextBlob=blobs[0][0]), ('InvalidCiphertextException', 400))
equal(refusal_of(kms.decrypt, CiphertextBlob=blobs[0][0], EncryptionContext={**context, 'purpose': 'other'}), ('InvalidCiphertextException', 400))

moved = kms.re_encrypt(CiphertextBlob=blobs[0][0], SourceEncryptionContext=context, DestinationKeyId='alias/boto3')
equal(kms.decrypt(CiphertextBlob=moved['CiphertextBlob'], KeyId='alias/boto3')['Plaintext'], blobs[0][1])

equal(len(kms.generate_random(NumberOfBytes=1024)['Plaintext']), 1024)
equal(kms.list_resource_tags(KeyId=key['KeyId'])['Tags'], [{'TagKey': 'from', 'TagValue': 'boto3'}])
pages = list(kms.get_paginator('list_keys').paginate(PaginationConfig={'PageSize': 1}))
assert key['KeyId'] in [each['KeyId'] for page in pages for each in page['Keys']]
assert 'alias/boto3' in [each['AliasName'] for page in kms.get_paginator('list_aliases').paginate() for each in page['Aliases']]
json.loads(kms.get_key_policy(KeyId=key['KeyId'], PolicyName='default')['Policy'])

kms.disable_key(KeyId=key['KeyId'])
equal(refusal_of(kms.encrypt, KeyId=key['KeyId'], Plaintext=b'x'), ('DisabledException', 400))
kms.enable_key(KeyId=key['KeyId'])
equal(refusal_of(kms.describe_key, KeyId='alias/nobody'), ('NotFoundException', 400))
equal(refusal_of(kms.create_alias, AliasName='alias/boto3', TargetKeyId=key['KeyId']), ('AlreadyExistsException', 400))

deletion = kms.schedule_key_deletion(KeyId=key['KeyId'], PendingWindowInDays=7)
equal((deletion['KeyState'], deletion['PendingWindowInDays']), ('PendingDeletion', 7))
equal(refusal_of(kms.decrypt, CiphertextBlob=blobs[1][0]), ('KMSInvalidStateException', 400))
kms.cancel_key_deletion(KeyId=key['KeyId'])
equal(kms.describe_key(KeyId=key['KeyId'])['KeyMetadata']['KeyState'], 'Disabled')
