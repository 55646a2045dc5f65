"""Days of paced calls within seconds: the real pacer in many execution environments, over a clock of the tests."""
