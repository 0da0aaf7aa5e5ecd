# The certificates of the system and of Python, and a connection that they protect.
# prelude: none
# requires: openssl
# %%
import ssl, certifi
context = ssl.create_default_context()
print(len(context.get_ca_certs()) > 0, ssl.get_default_verify_paths().cafile is not None)
own = ssl.create_default_context(cafile=certifi.where())
print(len(own.get_ca_certs()))
# %%
import subprocess
made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "made.key.pem",
                       "-out", "made.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                      capture_output=True, text=True)
print(made.returncode)
# %%
import socket, threading
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("made.pem", "made.key.pem")
listening = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = listening.accept()
    with server.wrap_socket(connection, server_side=True) as secure:
        secure.sendall(b"hello over TLS")
thread = threading.Thread(target=serve)
thread.start()
with socket.create_connection(listening.getsockname()) as plain:
    with ssl.create_default_context(cafile="made.pem").wrap_socket(plain, server_hostname="localhost") as secure:
        print(secure.recv(100), secure.version())
thread.join()
try:
    with socket.create_connection(listening.getsockname(), timeout=1): pass
finally:
    listening.close()
