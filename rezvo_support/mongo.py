"""MongoDB only: Django's contrib apps with ObjectIds for keys, and one mend of the backend."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig
from django.db.models.lookups import IsNull
from django_mongodb_backend.operations import DatabaseOperations

_KEY = "django_mongodb_backend.fields.ObjectIdAutoField"

# The backend matches `iexact` as an unescaped regular expression: a user name `.*` would be everybody's.
DatabaseOperations.prep_for_iexact_query = DatabaseOperations.prep_for_like_query


def _is_not_null_in_an_index(self: IsNull, compiler: Any, connection: Any) -> dict[str, Any]:
    """`isnull=False` as the condition of an index, which the backend refuses. Holds more rows than on SQL."""
    return {self.lhs.target.column: {"$exists": True}}


IsNull.as_mql_idx = _is_not_null_in_an_index  # type: ignore[attr-defined]


class MongoAdminConfig(AdminConfig):
    default_auto_field = _KEY


class MongoAuthConfig(AuthConfig):
    default_auto_field = _KEY


class MongoContenttypesConfig(ContentTypesConfig):
    default_auto_field = _KEY
