from __future__ import annotations

from django.contrib.auth.models import AbstractUser

from support.fields import ObjectIdField, new_id


class User(AbstractUser):
    """A staff user. Visitors have no account here: they hold their conversation's token."""

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")

    class Meta(AbstractUser.Meta):
        db_table = "support_users"

    @property
    def name(self) -> str:
        """What colleagues see: the full name, else the user name."""
        return self.get_full_name() or self.username
