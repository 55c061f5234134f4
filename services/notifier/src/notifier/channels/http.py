"""What both HTTP providers share: one pooled client, and what an answer or its absence means."""

from collections.abc import Callable, Mapping

from servicekit.web.transport import Answer, Connections, NotSent, Transport, Unanswered

from .base import Refused, Transient, Unknown

# What a 4xx is about: the message and who gets it, or a moment that passes; any other is about us: credentials, money, quota, address.
OF_THE_MESSAGE = frozenset({400, 422})
LATER = frozenset({408, 409, 413, 425})


def client(connect_seconds: float, timeout_seconds: float) -> Connections:
    """Redirects are not followed: a message goes where the operator said, nowhere else."""
    return Connections.outwards(200, connect_seconds=connect_seconds, answer_seconds=timeout_seconds)


def refused(answer: Answer) -> Refused:
    return Refused(f"http {answer.status}")


async def post(
    http: Transport, url: str, headers: Mapping[str, str], content: bytes, why: Callable[[Answer], Refused | Transient] = refused
) -> Answer:
    """The 2xx answer: acceptance. Raises Transient, Unknown, or what `why` reads in a 400: Refused where it is about who is
    written to.
    """
    try:
        answer = await http.send("POST", url, {"user-agent": "latchkey", "accept": "*/*", **headers}, content, None)
    except NotSent as error:  # before it is on its way another provider may have the message; later nobody knows
        raise Transient(str(error), down=True) from None
    except Unanswered as error:
        raise Unknown(str(error)) from None
    if 200 <= answer.status < 300:
        return answer
    said, status = f"http {answer.status}", answer.status
    if status in OF_THE_MESSAGE:
        raise why(answer)
    # 503: it took nothing. Any other of its own faults may have come after it had taken the message.
    raise Transient(said, down=status not in LATER, counted=status >= 500 and status != 503)
