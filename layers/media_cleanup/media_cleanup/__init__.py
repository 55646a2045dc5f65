"""The cleanup of WhatsApp media: event → requests → media → signed call → result → report → answer."""

import gc
import os

if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"):  # `initialize`, at the end of each entry point, enables it again
    gc.disable()  # it would look through all objects of the imports for cycles, and find none
