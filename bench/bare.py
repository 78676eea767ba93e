"""The bare process that `bench/startup.py` compares with: one route that reads one table, and the same libraries.

It serves FastAPI under uvicorn, with SQLAlchemy Core, psycopg and boto3, and does nothing else. Its arguments are the
database's URL and the port.
"""

import sys

import boto3  # noqa: F401  # what a process for AWS and PostgreSQL imports, even while it uses neither
import psycopg  # noqa: F401  # as above
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, select

_THINGS = Table("bare_things", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text))


class Ready(BaseModel):
    status: str
    things: int


def build(url: str) -> FastAPI:
    engine = create_engine(url)
    _THINGS.metadata.create_all(engine)
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/readyz")
    def ready() -> Ready:
        with engine.connect() as tx:
            return Ready(status="ok", things=len(tx.execute(select(_THINGS.c.id)).all()))

    return app


if __name__ == "__main__":
    uvicorn.run(build(sys.argv[1]), port=int(sys.argv[2]), log_config=None)
