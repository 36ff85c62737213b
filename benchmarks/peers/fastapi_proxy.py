"""What one would write first: FastAPI in front of Anthropic's SDK, with a log of the answers in SQLite.

POST /chat answers with an event stream and stores question, answer, tokens and cost when it is over, with the
counters of the conversation, in one transaction. `/chat-helper` is the same on the SDK's `messages.stream()`.

There are no limits, no handover, no retry that is answered again, no articles, no desk.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from anthropic import AsyncAnthropic
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, update
from sqlalchemy import event as events
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MODEL = "claude-haiku-4-5"
SYSTEM = "You answer the questions of restaurants about their booking system. Be short and friendly."

engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['DATABASE']}", connect_args={"timeout": 20})
sessions = async_sessionmaker(engine, expire_on_commit=False)
claude = AsyncAnthropic()


@events.listens_for(engine.sync_engine, "connect")
def _set_pragmas(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


class Base(DeclarativeBase):
    pass


class Conversation(Base):
    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(primary_key=True)
    message_count: Mapped[int] = mapped_column(default=0)
    input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    cost_usd_millionths: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(index=True)


class Message(Base):
    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), index=True)
    question: Mapped[str]
    answer: Mapped[str]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost_usd_millionths: Mapped[int]
    created_at: Mapped[datetime]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    message: str = Field(min_length=1, max_length=8000)
    conversation_id: str | None = None


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    return StreamingResponse(_plain(question), media_type="text/event-stream")


@app.post("/chat-helper")
async def chat_helper(question: Question) -> StreamingResponse:
    return StreamingResponse(_helper(question), media_type="text/event-stream")


async def _plain(question: Question) -> AsyncIterator[str]:
    parts: list[str] = []
    input_tokens = output_tokens = 0
    stream = await claude.messages.create(**_call(question), stream=True)
    async for event in stream:
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            parts.append(event.delta.text)
            yield _event("delta", {"text": event.delta.text})
        elif event.type == "message_start":
            input_tokens = event.message.usage.input_tokens
        elif event.type == "message_delta":
            output_tokens = event.usage.output_tokens
    yield _event("done", await _store(question, "".join(parts), input_tokens, output_tokens))


async def _helper(question: Question) -> AsyncIterator[str]:
    async with claude.messages.stream(**_call(question)) as stream:
        async for text in stream.text_stream:
            yield _event("delta", {"text": text})
        message = await stream.get_final_message()
    answer = "".join(block.text for block in message.content if block.type == "text")
    usage = message.usage
    yield _event("done", await _store(question, answer, usage.input_tokens, usage.output_tokens))


def _call(question: Question) -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": 1024,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": question.message}],
    }


async def _store(question: Question, answer: str, input_tokens: int, output_tokens: int) -> dict[str, Any]:
    cost = input_tokens + 5 * output_tokens
    now = datetime.now(UTC)
    conversation_id = question.conversation_id or uuid4().hex
    async with sessions.begin() as session:
        if question.conversation_id is None:
            session.add(Conversation(id=conversation_id, created_at=now))
            await session.flush()
        session.add(
            Message(
                conversation_id=conversation_id,
                question=question.message,
                answer=answer,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cost_usd_millionths=cost,
                created_at=now,
            )
        )
        await session.execute(
            update(Conversation)
            .where(Conversation.id == conversation_id)
            .values(
                message_count=Conversation.message_count + 1,
                input_tokens=Conversation.input_tokens + input_tokens,
                output_tokens=Conversation.output_tokens + output_tokens,
                cost_usd_millionths=Conversation.cost_usd_millionths + cost,
            )
        )
    return {"conversation_id": conversation_id, "input_tokens": input_tokens, "output_tokens": output_tokens}


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
