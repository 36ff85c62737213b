"""What a database raises when it is not there: a reason to try again later, never a 500."""

from django.db import DatabaseError, InterfaceError
from pymongo.errors import PyMongoError

# The MongoDB backend translates the errors of queries, but not those of looking for a server.
DATABASE_FAULTS = (DatabaseError, InterfaceError, PyMongoError)
