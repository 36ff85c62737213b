from datetime import UTC, datetime


def now() -> datetime:
    """Now in UTC, to the millisecond: as fine as all three databases keep it, so that what is read is what was written."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
