"""What a boto3 user does with a client certificate in place of credentials. Ends with 0 if everything was as it should be.

Takes endpoint, region and the server's CA from the usual environment variables, and the certificate from CLIENT_CERTIFICATE and CLIENT_KEY.
"""
import os

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from boto3_checks import equal, error_of

endpoint = os.environ['AWS_ENDPOINT_URL_KMS']
region = os.environ['AWS_DEFAULT_REGION']
certificate = (os.environ['CLIENT_CERTIFICATE'], os.environ['CLIENT_KEY'])


def client(**settings):
    return boto3.client('kms', endpoint_url=endpoint, region_name=region, config=Config(retries={'total_max_attempts': 1}, **settings))


kms = client(client_cert=certificate, signature_version=UNSIGNED)
key = kms.create_key(Description='made with a certificate')['KeyMetadata']
data_key = kms.generate_data_key(KeyId=key['Arn'], KeySpec='AES_256', EncryptionContext={'a': 'b'})
equal(kms.decrypt(CiphertextBlob=data_key['CiphertextBlob'], EncryptionContext={'a': 'b'})['Plaintext'], data_key['Plaintext'])
equal(error_of(kms.describe_key, KeyId='alias/nobody'), 'NotFoundException')
assert key['KeyId'] in [each['KeyId'] for page in kms.get_paginator('list_keys').paginate() for each in page['Keys']]

# Without the one or the other.
equal(error_of(client(signature_version=UNSIGNED).list_keys), 'MissingAuthenticationTokenException')
equal(error_of(client(client_cert=certificate).list_keys), 'UnrecognizedClientException')
