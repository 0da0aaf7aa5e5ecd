# A connection that was made is an endpoint; one that was refused is nothing.

# %%
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type(
    "Quiet", (http.server.BaseHTTPRequestHandler,),
    {"log_message": lambda *_: None,
     "do_GET": lambda self: (self.send_response(200), self.end_headers(), self.wfile.write(b"hello"))},
))
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]

# %%
print(urllib.request.urlopen(f"http://127.0.0.1:{port}/").read())
print("@touched", json.dumps({"mode": "connect", "path": "127.0.0.1", "target": str(port), "role": "network"}))

# %%
import asyncio
reader, writer = await asyncio.open_connection("127.0.0.1", port)
writer.write(b"GET / HTTP/1.0\r\n\r\n")
print((await reader.read())[-5:])
writer.close()
print("@touched", json.dumps({"mode": "connect", "path": "127.0.0.1", "target": str(port), "role": "network"}))

# %%
import socket
server.shutdown()
server.server_close()
with socket.socket() as client:
    print(client.connect_ex(("127.0.0.1", port)) != 0)
