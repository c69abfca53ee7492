"""What hilum writes and answers by itself is valid."""
