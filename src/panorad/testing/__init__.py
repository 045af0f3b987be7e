"""What the tests and the demo of Panorad stand on: phantoms, DICOM builders, public images and a scanner that sends them."""
