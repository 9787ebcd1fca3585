#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the control socket that nobody would want.  Usage: hostile.py SOCKET WAY [COUNT [FILE]]"""
import os
import random
import resource
import socket
import sys
import time

TIMEOUT = 60


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(TIMEOUT)
    client.connect(path)
    return client


def send(client, data):
    """All of it, or as much as the other end takes before it closes."""
    try:
        client.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def hear(client):
    """Everything until the other end closes."""
    answer = b""
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return answer
        answer += part


def say(path, data):
    client = connect(path)
    send(client, data)
    return hear(client)


def crowd(path, count, name):
    """Many at a time that say nothing, as many as fit, as long as the file is there; one at least."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = []
    connected = 0
    for _ in range(count):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.setblocking(False)
        try:
            client.connect(path)
            connected += 1
        except BlockingIOError:
            pass
        clients.append(client)
    if connected == 0:
        sys.exit(f"none of {count} connected")
    print(f"ready: {connected} of {count} are connected", flush=True)
    while os.path.exists(name):
        time.sleep(0.05)
    return b""


def fuzz(path, count):
    """Bytes of a good call changed at random; the seed makes a failure come again."""
    good = b'{"method":"io.lxcfs.Nothing","parameters":{"names":["a","b"],"on":true},"more":true}\0'
    for number in range(count):
        source = random.Random(number)
        data = bytearray(good)
        for _ in range(source.randrange(1, 9)):
            data[source.randrange(len(data))] = source.randrange(256)
        client = connect(path)
        send(client, bytes(data))
        client.shutdown(socket.SHUT_WR)
        hear(client)
        client.close()
    return b"done"


def main():
    path, way = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if way == "crowd":
        answer = crowd(path, count, sys.argv[4])
    elif way == "fuzz":
        answer = fuzz(path, count)
    elif way == "half":
        client = connect(path)
        send(client, b'{"method":"io.lxcfs.St')
        client.shutdown(socket.SHUT_WR)
        answer = hear(client)
    else:
        answer = say(path, {
            "nonsense": b"nonsense\0",
            "bytes": os.urandom(4096).replace(b"\0", b"x") + b"\0",
            "nul": b"\0" * 100000,
            "endless": b"x" * (1 << 20),
            "deep": b"[" * 60000 + b"\0",
            "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\0",
        }[way])
    sys.stdout.write(answer.replace(b"\0", b"\n").decode("utf-8", "replace"))


main()
