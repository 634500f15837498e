"""A name server for tests: answers each question for an IPv4 address with 127.0.0.1, on UDP port 53 of 127.0.0.1. Prints a
line when it listens."""

import socket
import struct

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    question, client = server.recvfrom(512)
    end = question.index(b"\0", 12) + 5
    is_ipv4 = question[end - 4 : end - 2] == b"\0\x01"
    # The head: the same id, an answer without errors, one question, one answer or none.
    head = question[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, int(is_ipv4), 0, 0)
    # The answer: the name of the question, type A, class IN, 60 s, four bytes.
    answer = b"\xc0\x0c\0\x01\0\x01" + struct.pack("!IH", 60, 4) + bytes([127, 0, 0, 1]) if is_ipv4 else b""
    server.sendto(head + question[12:end] + answer, client)
