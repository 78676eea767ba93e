"""The data types of the SSH protocol (RFC 4251, section 5), read in one encoding only."""

from service.signing.faults import BadSignature, Fault

_LENGTH_BYTES = 4


class Reader:
    """Reads from the front. Every method raises BadSignature (malformed) if the bytes are not there."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def take(self, count: int) -> bytes:
        if len(self._rest) < count:
            raise BadSignature(Fault.MALFORMED)
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self.take(_LENGTH_BYTES), "big")

    def string(self) -> bytes:
        return self.take(self.uint32())

    def text(self) -> str:
        """Read a string of visible ASCII and spaces. Names and addresses have no other characters."""
        text = self.string().decode("latin-1")
        if not text.isascii() or not text.isprintable():
            raise BadSignature(Fault.MALFORMED)
        return text

    def positive(self) -> int:
        """Read an mpint above zero. Leading zeros are allowed only where the sign needs one."""
        encoded = self.string()
        number = int.from_bytes(encoded, "big", signed=True)
        if number <= 0 or mpint(number) != string(encoded):
            raise BadSignature(Fault.MALFORMED)
        return number

    def rest(self) -> bytes:
        return self.take(len(self._rest))

    def end(self) -> None:
        if self._rest:
            raise BadSignature(Fault.MALFORMED)


def string(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def mpint(number: int) -> bytes:
    """Encode a number that is not negative."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")
