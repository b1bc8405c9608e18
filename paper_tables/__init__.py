"""Results and published numbers in; tables, figures and reports out. No torch, no emulator."""
