from datetime import UTC, datetime


def now() -> datetime:
    """Now in UTC, to the millisecond: as fine as all three databases keep it, so that one reads what one wrote."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
