"""Runs the fake NXCloud from a shell until interrupted."""

import argparse
import signal

from localdev.fake_nxcloud import FakeNxCloud

CONTROL = """
control interface:
  curl http://127.0.0.1:8080/_control/calls                                             list the calls received
  curl http://127.0.0.1:8080/_control/media                                             list the stored media files
  curl http://127.0.0.1:8080/_control/media -d '{"business_phone": "8615800001795"}'    store a media file
  curl http://127.0.0.1:8080/_control/faults -d '{"kind": "code", "code": 9001, "times": 2}'
  curl http://127.0.0.1:8080/_control/faults -d '{"kind": "status", "status": 429, "retry_after": 60}'
  curl -X DELETE http://127.0.0.1:8080/_control/faults                                  remove pending faults
kinds of faults: see localdev/fake_nxcloud/faults.py
"""


def main() -> None:
    """Parse the options, and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m localdev.fake_nxcloud",
        description="Run a local fake of NXCloud's deleteMedia, getMedia and uploadMedia, for development.",
        epilog=CONTROL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--access-key", default="simulated-access-key", help="default: %(default)s")
    parser.add_argument("--access-secret", default="simulated-access-secret", help="default: %(default)s")
    options = parser.parse_args()
    with FakeNxCloud(options.access_key, options.access_secret, host=options.host, port=options.port) as fake_nxcloud:
        print(f"The fake NXCloud listens on {fake_nxcloud.url}. Press Ctrl-C to stop it.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
