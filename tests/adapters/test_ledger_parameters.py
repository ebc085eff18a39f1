"""What a hosted database writes into its URL: understood, or refused before anything is asked."""

import pytest

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import LedgerBusy, SettingsError

PLACE = "postgresql://ada:s3cret@127.0.0.1:9/rates"


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=disable&channel_binding=prefer",
        "sslmode=prefer&channel_binding=require",
        "connect_timeout=5",
        "connect_timeout=0&command_timeout=-1",
        "application_name=rates",
        "statement_cache_size=0&prepared_statement_cache_size=0",
        "target_session_attrs=read-write",
    ],
)
async def test_what_hosted_databases_write_into_their_urls_is_understood(postgres, query):
    """
    The URL is copied from a web page, and nobody wants to learn which driver reads it.
    """
    ledger = SqlLedger(f"{postgres.database()}?{query}")
    try:
        await ledger.ready()

        assert await ledger.present()
    finally:
        await ledger.close()


@pytest.mark.parametrize(("query", "shown"), [("", "phasegate"), ("?application_name=rates", "rates")])
async def test_the_server_shows_whose_connection_it_is(postgres, query, shown):
    """
    Whoever looks for what holds a lock reads it there.
    """
    url = postgres.database()
    ledger = SqlLedger(f"{url}{query}")
    try:
        await ledger.ready()
        seen = postgres.run(
            "SELECT application_name FROM pg_stat_activity "
            f"WHERE datname = '{url.rpartition('/')[2]}' AND pid <> pg_backend_pid()",
            database="postgres",
        )
    finally:
        await ledger.close()

    assert shown in seen.stdout.split()


async def test_the_file_of_certificates_is_the_one_that_is_named(postgres, tmp_path):
    """
    A file that is not read would let anybody be the database.
    """
    file = tmp_path / "root.crt"
    file.write_text("no certificate\n")
    ledger = SqlLedger(f"{postgres.database()}?sslmode=verify-full&sslrootcert={file}")

    with pytest.raises(LedgerBusy, match="certificate"):
        await ledger.present()
    await ledger.close()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("keepalives=1&password=s3cret", "the parameter 'keepalives' is not known; allowed: "),
        ("loop=x", "the parameter 'loop' is not known"),
        ("sslmode=s3cret", "'sslmode' has a value that is not known; allowed: disable, allow"),
        ("channel_binding=s3cret", "'channel_binding' has a value that is not known"),
        ("sslrootcert=/s3cret", "'sslrootcert' names no file"),
        ("connect_timeout=s3cret", "'connect_timeout' is no number"),
        ("statement_cache_size=-1", "'statement_cache_size' is no number"),
        ("application_name=a&application_name=b", "'application_name' is given more than once"),
        ("prepared_statement_cache_size=s3cret", "'prepared_statement_cache_size' is no number"),
        ("ssl=s3cret", "'ssl' has a value that is not known"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_before_anything_is_asked(query, says):
    """
    An error of the driver's own would not say what to change.
    """
    with pytest.raises(SettingsError, match=says) as refused:
        SqlLedger(f"{PLACE}?{query}")

    assert "s3cret" not in str(refused.value)


async def test_no_call_waits_longer_than_the_ledger_allows():
    """
    A URL may ask for less patience, and not for more.
    """
    ledger = SqlLedger(f"{PLACE}?connect_timeout=86400", limit=0.5)

    with pytest.raises(LedgerBusy):
        await ledger.present()
    await ledger.close()
