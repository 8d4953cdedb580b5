"""What a run did, in numbers and pictures: read from its recording, written as JSON, a table and one HTML page."""
