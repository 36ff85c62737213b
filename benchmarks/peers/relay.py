"""The least that any server in between can do: aiohttp passes the bytes of a call on and stores nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, web

UPSTREAM = web.AppKey("upstream", ClientSession)


async def relay(request: web.Request) -> web.StreamResponse:
    headers = {"content-type": "application/json", "x-api-key": os.environ["ANTHROPIC_API_KEY"]}
    url = os.environ["ANTHROPIC_BASE_URL"] + request.path
    async with request.app[UPSTREAM].post(url, data=await request.read(), headers=headers) as answer:
        response = web.StreamResponse(status=answer.status, headers={"content-type": answer.content_type})
        await response.prepare(request)
        async for data in answer.content.iter_any():
            await response.write(data)
        await response.write_eof()
    return response


async def upstream(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession() as session:
        app[UPSTREAM] = session
        yield


def main() -> None:
    app = web.Application()
    app.cleanup_ctx.append(upstream)
    app.router.add_post("/v1/messages", relay)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
