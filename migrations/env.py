"""How Alembic reaches the database: an engine handed over by the service, else the settings' URL."""

from alembic import context
from sqlalchemy import Engine

from service.db.engine import connect
from service.db.tables import metadata
from service.settings import load

given = context.config.attributes.get("engine")
engine: Engine = given or connect(load().database.url, connections=1)

with engine.connect() as connection:
    if engine.dialect.name == "postgresql":
        # A migration waits for a lock for seconds, not for ever, while everybody else queues up behind it.
        connection.exec_driver_sql("SET lock_timeout = '10s'")
        connection.commit()
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
