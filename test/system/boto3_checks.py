"""What the scripts of boto3 users check with."""
from botocore.exceptions import ClientError


def refusal_of(operation, **members):
    """Code and HTTP status of the error that an operation ends with, or None."""
    try:
        operation(**members)
    except ClientError as error:
        return error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode']
    return None


def error_of(operation, **members):
    """The code alone."""
    refusal = refusal_of(operation, **members)
    return refusal and refusal[0]


def equal(found, wanted):
    assert found == wanted, '%r instead of %r' % (found, wanted)
