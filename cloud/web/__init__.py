"""The console: pages, their static parts, their words, and the application that serves people."""
