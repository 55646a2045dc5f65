"""The cleanup of WhatsApp media: event → requests → media → signed call → result → report → answer."""
