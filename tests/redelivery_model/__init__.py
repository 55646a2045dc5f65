"""Days and weeks of redelivery within seconds: the real code over a model of SQS, with a clock that tests move."""
