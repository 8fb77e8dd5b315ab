"""A call with the coach as a WebRTC client of the terminal makes it: sound files are its microphone."""
