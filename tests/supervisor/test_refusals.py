"""Admissions that were refused, counted by the scope of the limit that has refused them."""

from __future__ import annotations

import pytest
from theatre import Script, play, settle

import greenroom


def test_refused_admissions_are_counted_by_scope() -> None:
    async def scene() -> None:
        script = Script()
        async with greenroom.Runtime(
            script, max_sessions=3, max_sessions_per_tenant=2, max_sessions_per_user=1
        ) as runtime:
            for user in ("acme/ann", "acme/bob", "eve"):
                session = await runtime.create(user=user, id=user.replace("/", "."))
                await session.send(user, "think")
                if user == "acme/ann":
                    with pytest.raises(greenroom.CapacityError):
                        await runtime.create(user=user)
            await settle()
            with pytest.raises(greenroom.CapacityError):
                await runtime.create(user="zoe")
            assert await runtime.passivate("eve", force=True)
            for _ in range(2):
                with pytest.raises(greenroom.CapacityError):
                    await runtime.create(user="acme/zoe")

            stats = runtime.stats
            assert stats.turned_away_by == {"per_user": 1, "global": 1, "per_tenant": 2}
            assert stats.turned_away == 4
            for user in ("acme.ann", "acme.bob"):
                script.cue(user, 1, None)

    play(scene)
